import { type Agent, createAgent } from '../actors/agent/agent.ts';
import type { Executor } from '../actors/agent/ports.ts';
import { membershipFrom } from '../bus/bodies.ts';
import { isNewer, type MembershipNotice } from '../bus/protocol.ts';
import { subjects } from '../bus/subjects.ts';
import type { NodeTls } from '../domain/model/objects.ts';
import { nodeTlsInfo, readCertificate } from '../pki/mod.ts';
import { aborted, pause, systemClock } from '../supervisors/clock.ts';
import type { Registry } from '../supervisors/registry.ts';
import type { Config } from './config.ts';
import { actorLog, type Logger } from './log.ts';
import { type Identity, isManager } from '../actors/node/identity.ts';
import type { NodeFiles } from './node-files.ts';
import type { OwnAddresses } from '../actors/node/identity.ts';
import { movedAddresses } from './own-addresses.ts';
import { busAddress, newId, openBus, tlsOf } from './wiring.ts';

/** How often the machine's addresses are looked at, ms. */
const addressEveryMs = 5_000;

export interface AgentWiring {
  readonly config: Config;
  readonly files: NodeFiles;
  /** As it is now. */
  readonly identity: () => Identity;
  readonly executor: Executor;
  readonly logger: Logger;
  readonly registry: Registry;
  /** Told when the agent runs, and with undefined when it does not any more. */
  readonly onAgent: (agent: Agent | undefined) => void;
  /** Told of the session with the leader, and with undefined when there is none. */
  readonly onSession: (session: string | undefined) => void;
  readonly engineSubnets: () => Promise<readonly string[]>;
  /** The node is to be found elsewhere from now on. */
  readonly onMoved: (addresses: OwnAddresses) => void;
  /** Why the node's engine could not be described last; '' when it was. */
  readonly onEngine: (complaint: string) => void;
  /** The node's certificate is to be renewed now. */
  readonly renew: () => void;
}

/** The node's agent, until `scope` ends. Rejects when it gives up. */
export async function runAgent(wiring: AgentWiring, scope: AbortSignal): Promise<void> {
  const { config, files, executor, logger, registry } = wiring;
  const identity = wiring.identity();
  const report = actorLog(logger, { actor: 'agent', node: identity.nodeId });
  void watchAddress(wiring, scope);
  const bus = await openBus(
    {
      servers: busServers(config, files, identity),
      name: `agent ${identity.nodeId}`,
      tls: () => tlsOf(files),
      inboxPrefix: subjects.inboxPrefix(identity.nodeId),
      isRemote: !isManager(identity),
      signal: scope,
    },
    report,
  );
  let giveUp: (reason: unknown) => void = () => undefined;
  const gaveUp = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  const agent = createAgent({
    nodeId: identity.nodeId,
    bus,
    executor: describing(executor, files, wiring),
    clock: systemClock,
    wallNow: Date.now,
    random: Math.random,
    newId,
    epochStore: files.epochs,
    engineGraceMs: config.engineGraceMs,
    featureLevel: config.featureLevel,
    registry,
    log: report,
    onSession: wiring.onSession,
    onEscalate: (reason) => giveUp(reason),
  });
  wiring.onAgent(agent);
  const unheed = bus.subscribe(subjects.node(identity.nodeId, 'membership'), ({ body }) => {
    const notice = membershipFrom(body);
    if (notice === undefined || isNewer(files.epochs.load(), notice)) return;
    applyNotice(wiring, notice, (servers) => bus.setServers(servers));
  });
  // what the node says of itself depends on its certificate and its roots; a rotation waits for it
  const unfollow = files.onCertificates(() => agent.refresh());
  agent.start();
  try {
    await Promise.race([aborted(scope), gaveUp]);
  } finally {
    wiring.onAgent(undefined);
    wiring.onSession(undefined);
    unheed();
    unfollow();
    await agent.stop();
    await bus.close();
  }
}

/** Nobody tells when an address of the machine has changed. */
async function watchAddress(
  { config, identity, engineSubnets, onMoved }: AgentWiring,
  scope: AbortSignal,
): Promise<void> {
  for (; !scope.aborted; await pause(systemClock, addressEveryMs, scope)) {
    const moved = await movedAddresses(config, engineSubnets, identity());
    if (moved !== undefined && !scope.aborted) return onMoved(moved);
  }
}

/** Takes over what the leader says of the cluster. */
function applyNotice(
  { config, files, identity, renew }: AgentWiring,
  notice: MembershipNotice,
  setServers: (servers: readonly string[]) => void,
): void {
  if (notice.managers.length > 0) {
    files.writeManagers(notice.managers);
    setServers(busServers(config, files, identity()));
  }
  files.writeRoots(notice.roots);
  const { role } = readCertificate(files.certificate('node'));
  if (notice.role !== role || (notice.renew && !isOf(notice.issuer, tlsInfo(files)))) renew();
}

/** A manager with a seat has a server of its own; everybody else goes to the managers that are known. */
function busServers(config: Config, files: NodeFiles, identity: Identity): readonly string[] {
  const seated = isManager(identity) && identity.joining === undefined;
  return seated ? [busAddress(config, identity)] : files.managers().map(({ bus }) => bus);
}

const isOf = (issuer: MembershipNotice['issuer'], held: NodeTls): boolean =>
  issuer?.subject === held.issuerSubject && issuer.publicKey === held.issuerPublicKey;

/** The executor's description with what only the daemon knows: the certificate in use. */
const describing = (
  executor: Executor,
  files: NodeFiles,
  { onEngine, identity }: Pick<AgentWiring, 'onEngine' | 'identity'>,
): Executor => ({
  describe: async (scope) => {
    const description = await executor.describe(scope).catch((error: unknown) => {
      onEngine(`this node's engine does not answer: ${String(error)}`);
      throw error;
    });
    onEngine('');
    return { ...description, addr: identity().advertiseHost, tls: tlsInfo(files) };
  },
  controller: (task) => executor.controller(task),
  taskIds: (nodeId, scope) => executor.taskIds(nodeId, scope),
  removeOrphan: (taskId, scope) => executor.removeOrphan(taskId, scope),
  logs: (task, options, scope) => executor.logs(task, options, scope),
  check: (scope) => executor.check(scope),
  ready: (scope) => executor.ready(scope),
});

/** What the node says of its certificate and its roots. */
export function tlsInfo(files: NodeFiles): NodeTls {
  const pem = files.certificate('node');
  const info = nodeTlsInfo(pem, files.certificate('root'));
  return {
    trustRoot: info.TrustRoot,
    issuerSubject: info.CertIssuerSubject,
    issuerPublicKey: info.CertIssuerPublicKey,
  };
}
