import { randomBytes } from 'node:crypto';
import { listenForJoins } from '../api/join-listener.ts';
import { serveAuth } from '../bus/nats/auth.ts';
import { connectBus } from '../bus/nats/bus.ts';
import { kickNode } from '../bus/nats/kick.ts';
import { connectLink, type Link, type TlsMaterial } from '../bus/nats/link.ts';
import { NatsLog } from '../bus/nats/log.ts';
import { startServer } from '../bus/nats/server.ts';
import { createOwnUsers, type OwnUsers } from '../bus/nats/users.ts';
import { FileJournal } from '../bus/journal/journal.ts';
import { subjects } from '../bus/subjects.ts';
import { Manager } from '../actors/manager/manager.ts';
import { daemonFault } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Applied } from '../domain/store/changes.ts';
import { idFromBytes } from '../domain/ids.ts';
import { makeJoinToken, newJoinSecret, nkeyFromSeed, trustRoots } from '../pki/mod.ts';
import { systemClock } from '../supervisors/clock.ts';
import type { Registry } from '../supervisors/registry.ts';
import { runs } from '../supervisors/run.ts';
import type { ChildSpec } from '../supervisors/supervisor.ts';
import { grow, type Part, trees } from '../supervisors/trees.ts';
import type { Config } from './config.ts';
import { joinHostPort } from './addresses.ts';
import { JoinDesk } from './join-desk.ts';
import { actorLog, type LogEvent, type Logger } from './log.ts';
import type { Identity, NodeFiles } from './node-files.ts';

export interface ManagerWiring {
  readonly config: Config;
  readonly files: NodeFiles;
  readonly identity: Identity;
  readonly logger: Logger;
  readonly registry: Registry;
  /** The log is made when it is not there; only right at init, before anything was acknowledged. */
  readonly create: boolean;
  /** Told when the manager runs, and with undefined when it does not any more. */
  readonly onManager: (manager: Manager | undefined) => void;
  /** An attempt to start a part failed; the supervisor tries again. */
  readonly onFailure: (error: unknown) => void;
}

export const newId = (): string => idFromBytes(randomBytes(16));

/** An attempt to connect that failed is made again, and at a start it is nothing but early: no warning. */
export const busErrors =
  (report: LogEvent) =>
  (error: Error, subject: string): void =>
    subject === ''
      ? report('bus_not_reached', { error })
      : report('bus_failed', { error, subject });

/** Where this daemon's own clients find its bus server. */
export const busAddress = (config: Config): string => `127.0.0.1:${config.busPort}`;

/** The children that make a node a manager. */
export function managerChildren(wiring: ManagerWiring): readonly ChildSpec[] {
  const users = createOwnUsers();
  const current = new CurrentManager(wiring.onManager);
  const part = (run: (scope: AbortSignal) => Promise<void>): Part =>
    runs((scope) => reporting(wiring, () => run(scope)));
  return grow(trees.daemon, {
    'bus-server': part((scope) => runServer(wiring, users, scope)),
    'bus-auth': part((scope) => runAuth(wiring, users, current, scope)),
    manager: part((scope) => runManager(wiring, users, current, scope)),
    'join-listener': part((scope) => runJoinListener(wiring, current, scope)),
    renewal: undefined,
    agent: undefined,
  });
}

/** The manager that runs now, for the parts beside it. */
class CurrentManager {
  readonly #told: ManagerWiring['onManager'];
  manager: Manager | undefined;

  constructor(told: ManagerWiring['onManager']) {
    this.#told = told;
  }

  set(manager: Manager | undefined): void {
    this.manager = manager;
    this.#told(manager);
  }
}

async function reporting(wiring: ManagerWiring, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    wiring.onFailure(error);
    throw error;
  }
}

/** The certificate in use now; read again for each connection, so a renewed one is taken. */
export const tlsOf = (files: NodeFiles): TlsMaterial => ({
  cert: files.certificate('node'),
  key: files.certificate('key'),
  ca: files.certificate('root'),
});

async function runServer(
  wiring: ManagerWiring,
  users: OwnUsers,
  scope: AbortSignal,
): Promise<void> {
  const { config, files, identity, logger } = wiring;
  const keys = files.keys();
  const log = logger.child({ actor: 'bus-server', node: identity.nodeId });
  const server = await startServer({
    binary: config.natsServer,
    runDir: config.runDir,
    storeDir: files.path('store', String(identity.generation)),
    storeKey: Buffer.from(keys.dataKey, 'hex'),
    nodeId: identity.nodeId,
    host: hostOf(identity.listenAddr),
    port: config.busPort,
    tls: tlsOf(files),
    issuer: nkeyFromSeed(keys.busIssuerSeed).publicKey,
    users,
    // its banner is nobody's news
    log: (level, line) => log[level === 'info' ? 'debug' : level]({ line }, 'nats_server'),
    signal: scope,
  });
  log.info({ pid: server.pid, address: server.address }, 'bus_server_up');
  const forget = files.onCertificates(() => {
    server.reload(tlsOf(files)).then(
      () => log.info({}, 'bus_server_reloaded'),
      (error: Error) => log.warn({ error: error.message }, 'bus_server_not_reloaded'),
    );
  });
  const exit = await Promise.race([server.exited, aborted(scope)]);
  forget();
  if (exit !== undefined)
    throw new Error(`nats-server ended (${exit.signal ?? `code ${exit.code}`})`);
  await server.stop();
}

async function runAuth(
  wiring: ManagerWiring,
  users: OwnUsers,
  current: CurrentManager,
  scope: AbortSignal,
): Promise<void> {
  const { files, identity, logger } = wiring;
  const report = actorLog(logger, { actor: 'bus-auth', node: identity.nodeId });
  const link = await ownLink(wiring, users.auth, 'auth', scope);
  const stop = serveAuth(link, {
    issuer: nkeyFromSeed(files.keys().busIssuerSeed),
    clusterId: identity.clusterId,
    roots: cachedRoots(files),
    isRevoked: (nodeId, role) => {
      // this manager's own parts connect before it has read what the cluster is
      if (nodeId === identity.nodeId) return false;
      const node = current.manager?.view().node(nodeId);
      return node === undefined || (role === 'manager' && node.role !== 'manager');
    },
    now: Date.now,
    onDenied: (denial) => report('bus_connection_denied', denial),
  });
  await aborted(scope);
  stop();
  await link.close();
}

/** The root changes only with the cluster's CA; it is read again when the file's text differs. */
function cachedRoots(files: NodeFiles): () => ReturnType<typeof trustRoots> {
  let text = '';
  let roots = trustRoots(files.certificate('root'));
  return () => {
    const now = files.certificate('root');
    if (now !== text) {
      text = now;
      roots = trustRoots(now);
    }
    return roots;
  };
}

async function runManager(
  wiring: ManagerWiring,
  users: OwnUsers,
  current: CurrentManager,
  scope: AbortSignal,
): Promise<void> {
  const { config, files, identity, logger } = wiring;
  const report = actorLog(logger, { actor: 'manager', node: identity.nodeId });
  const closing: (() => Promise<void>)[] = [];
  let crash: (error: unknown) => void = () => undefined;
  const crashed = new Promise<never>((_, reject) => {
    crash = reject;
  });
  try {
    const link = await ownLink(wiring, users.log, 'log', scope);
    closing.unshift(() => link.close());
    const log = new NatsLog({
      link,
      onError: (error) => report('log_tail_failed', { error: error.message }),
    });
    if (wiring.create) await log.createIfMissing();
    const system = await ownLink(wiring, users.system, 'system', scope);
    closing.unshift(() => system.close());
    const bus = await connectBus({
      servers: [busAddress(config)],
      name: `manager ${identity.nodeId}`,
      tls: () => tlsOf(files),
      inboxPrefix: subjects.inboxPrefix(identity.nodeId),
      onError: busErrors(report),
      signal: scope,
    });
    closing.unshift(() => bus.close());
    const manager = await Manager.open({
      nodeId: identity.nodeId,
      generation: identity.generation,
      bus,
      log,
      journal: new FileJournal({
        dir: files.path('journal', String(identity.generation)),
        key: Buffer.from(files.keys().dataKey, 'hex'),
        generation: identity.generation,
      }),
      clock: systemClock,
      wallNow: Date.now,
      random: Math.random,
      newId,
      registry: wiring.registry,
      onCrash: (error) => crash(error),
      newJoinToken: () => makeJoinToken(files.certificate('root'), newJoinSecret()),
      report,
    });
    closing.unshift(() => manager.stop());
    manager.watch((applied) => {
      for (const nodeId of expelled(applied))
        void kickNode(system, nodeId, limits.busConnectionsMax).then(
          (connections) => report('node_cut_off', { member: nodeId, connections }),
          (error: Error) => report('node_not_cut_off', { member: nodeId, error: error.message }),
        );
    });
    manager.start();
    current.set(manager);
    await Promise.race([aborted(scope), crashed]);
  } finally {
    current.set(undefined);
    for (const close of closing) await close();
  }
}

/** Nodes that lost their place, or a manager's rights, while their certificates are still valid. */
const expelled = (applied: readonly Applied[]): readonly string[] =>
  applied.flatMap((change) =>
    change.kind === 'node' &&
    change.before !== undefined &&
    (change.after === undefined ||
      (change.before.role === 'manager' && change.after.role !== 'manager'))
      ? [change.id]
      : [],
  );

async function runJoinListener(
  wiring: ManagerWiring,
  current: CurrentManager,
  scope: AbortSignal,
): Promise<void> {
  const { config, files, identity, logger } = wiring;
  const at = { host: identity.advertiseHost, port: identity.advertisePort };
  const managers = [
    {
      nodeId: identity.nodeId,
      addr: joinHostPort(at),
      bus: joinHostPort({ ...at, port: String(config.busPort) }),
    },
  ];
  const desks = new WeakMap<Manager, JoinDesk>();
  const desk = (): JoinDesk => {
    const { manager } = current;
    if (manager === undefined)
      throw daemonFault('Unavailable', 'the manager is being prepared; try again');
    const known =
      desks.get(manager) ?? new JoinDesk({ manager, managers: () => managers, now: Date.now });
    desks.set(manager, known);
    return known;
  };
  const server = await listenForJoins({
    host: hostOf(identity.listenAddr),
    port: Number(identity.listenAddr.slice(identity.listenAddr.lastIndexOf(':') + 1)),
    tls: tlsOf(files),
    root: () => files.certificate('root'),
    admit: (ask, peer) => desk().admit(ask, peer),
    renew: (request, certificate) => desk().renew(request, certificate),
    log: actorLog(logger, { actor: 'join-listener', node: identity.nodeId }),
  });
  const forget = files.onCertificates(() => server.setSecureContext(tlsOf(files)));
  await aborted(scope);
  forget();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

function ownLink(
  wiring: ManagerWiring,
  user: OwnUsers[keyof OwnUsers],
  name: string,
  scope: AbortSignal,
): Promise<Link> {
  const report = wiring.logger.child({ actor: name, node: wiring.identity.nodeId });
  return connectLink(
    {
      servers: [busAddress(wiring.config)],
      name: `${name} ${wiring.identity.nodeId}`,
      tls: () => tlsOf(wiring.files),
      user,
    },
    (error) => report.debug({ error: error.message }, 'bus_link_failed'),
    scope,
  );
}

/** Resolves with nothing when the scope ends. */
export function aborted(scope: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (scope.aborted) return resolve(undefined);
    scope.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

const hostOf = (listenAddr: string): string =>
  listenAddr.slice(0, listenAddr.lastIndexOf(':')).replaceAll(/[[\]]/g, '');
