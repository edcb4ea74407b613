import { rm, statfs } from 'node:fs/promises';
import type { Manager } from '../actors/manager/manager.ts';
import { serveAuth } from '../bus/nats/auth.ts';
import { type ClusterOptions, startServer } from '../bus/nats/server.ts';
import { createOwnUsers, type OwnUsers } from '../bus/nats/users.ts';
import { checkStore, mistrustStore, rememberStore } from '../bus/nats/store-sums.ts';
import type { Unsubscribe } from '../bus/ports.ts';
import { isBarred } from '../domain/assign/flood.ts';
import { isKeyUnknown } from '../domain/assign/issued-keys.ts';
import { trustedRootsPem } from '../domain/ca/signing.ts';
import type { View } from '../domain/store/view.ts';
import { nkeyFromSeed, publicKeyPin, readCertificate, trustRoots } from '../pki/mod.ts';
import { aborted, pause, systemClock } from '../supervisors/clock.ts';
import { runs } from '../supervisors/run.ts';
import type { ChildSpec } from '../supervisors/supervisor.ts';
import { grow, type Part, trees } from '../supervisors/trees.ts';
import { admitServer } from './admission.ts';
import { actorLog, type LogEvent, serverLog } from './log.ts';
import { mendCertificate } from './own-certificate.ts';
import { runJoinListener } from './run-join-listener.ts';
import { runManager } from './run-manager.ts';
import { ServerReloads } from './server-reloads.ts';
import {
  CurrentManager,
  hostOf,
  type ManagerPart,
  type ManagerWiring,
  ownLink,
  tlsOf,
} from './wiring.ts';

/** What has to be free for the server to open its store again, bytes, and how often that is looked at, ms. */
const roomMin = 64 * 2 ** 20;
const roomEveryMs = 2_000;
/** A listener that has no port by then has none, ms. */
const listeningMs = 2_000;
/** A server that was taken out of the log's group is one of a manager that is let go, as a rule: within this time it ends, ms. */
const releaseMs = 5_000;
const healingToDo =
  'look after this disk; what is damaged is dropped, and comes again from the other managers';
const aloneToDo =
  'look after this disk; if the log cannot be opened, begin anew from the journal: docker swarm init --force-new-cluster';
const roomToDo = 'free some space on this disk; the log is opened again by itself';

/** The children that make a node a manager. */
export function managerChildren(wiring: ManagerWiring): readonly ChildSpec[] {
  const users = createOwnUsers();
  const current = new CurrentManager(wiring.onManager);
  const part = (id: ManagerPart, run: (scope: AbortSignal) => Promise<void>): Part =>
    runs((scope) => reporting(wiring, id, () => run(scope)));
  return grow(trees.daemon, {
    'bus-server': part('bus-server', (scope) => runServer(wiring, users, current, scope)),
    'bus-auth': part('bus-auth', (scope) => runAuth(wiring, users, current, scope)),
    manager: part('manager', (scope) => runManager(wiring, users, current, scope)),
    'join-listener': part('join-listener', (scope) => runJoinListener(wiring, current, scope)),
    renewal: undefined,
    agent: undefined,
  });
}

async function reporting(
  wiring: ManagerWiring,
  id: ManagerPart,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    wiring.onFailure(id, error);
    throw error;
  }
}

async function runServer(
  wiring: ManagerWiring,
  users: OwnUsers,
  current: CurrentManager,
  scope: AbortSignal,
): Promise<undefined> {
  const { config, files, identity, logger } = wiring;
  // no generation yet, no server
  if (identity.generation === 0) return aborted(scope);
  const keys = files.mustKeys();
  const report = actorLog(logger, { actor: 'bus-server', node: identity.nodeId });
  if (!wiring.create) await mendCertificate(files, identity, report);
  const log = logger.child({ actor: 'bus-server', node: identity.nodeId });
  const storeDir = files.path('store', String(identity.generation));
  if (identity.form === 'several') {
    await Promise.race([current.listening, pause(systemClock, listeningMs, scope)]);
    if (!(await admitServer(wiring, current, report, scope))) return aborted(scope);
  }
  await lookAtStore(wiring, storeDir, report);
  const server = await startServer({
    binary: config.natsServer,
    runDir: config.runDir,
    storeDir,
    storeKey: Buffer.from(keys.dataKey, 'hex'),
    nodeId: identity.nodeId,
    host: hostOf(identity.listenAddr),
    port: config.busPort,
    tls: tlsOf(files),
    issuer: nkeyFromSeed(keys.busIssuerSeed).publicKey,
    users,
    ...(identity.form === 'several' && { cluster: clusterOf(wiring) }),
    log: serverLog(log),
    onReload: () => current.manager?.excuseNodes(),
    signal: scope,
  });
  log.info({ pid: server.pid, address: server.address }, 'bus_server_up');
  wiring.onUp('bus-server');
  const reloads = new ServerReloads({
    server,
    clock: systemClock,
    tls: () => tlsOf(files),
    cluster: () => clusterOf(wiring),
    onReloaded: () => {
      log.info({}, 'bus_server_reloaded');
      current.manager?.excuseNodes();
    },
    onFailed: ({ message }) => log.warn({ error: message }, 'bus_server_not_reloaded'),
  });
  const forget = [
    files.onCertificates(() => reloads.certificatesChanged()),
    identity.form === 'several' ? files.onPeers(() => reloads.peersChanged()) : () => undefined,
    () => reloads.end(),
  ];
  const lost = server.storeLost.then(() => untilRoom(wiring, report, scope));
  const removed = server.removed.then(() => untilAnew(scope));
  const exit = await Promise.race([server.exited, lost, removed, aborted(scope)]);
  for (const end of forget) end();
  await server.stop();
  if (identity.form === 'several') await wiring.starts.step(identity.generation);
  await rememberStore(storeDir).catch(({ message }: Error) =>
    log.warn({ error: message }, 'log_copy_not_noted'),
  );
  if (exit === 'room')
    throw new Error('nats-server had no room for its store; there is some again');
  if (exit === 'removed') {
    // the others do not know it by this name any more, and it must not come back under it
    await rm(storeDir, { recursive: true, force: true });
    throw new Error("this manager's server was taken out of the log's group; it begins anew");
  }
  if (exit !== undefined)
    throw new Error(`nats-server ended (${exit.signal ?? `code ${exit.code}`})`);
}

async function untilAnew(scope: AbortSignal): Promise<'removed' | undefined> {
  await pause(systemClock, releaseMs, scope);
  return scope.aborted ? undefined : 'removed';
}

/** One server of several gets again what is damaged of its copy; one alone has nowhere to get it from, and makes the best of it. */
async function lookAtStore(
  { identity }: ManagerWiring,
  storeDir: string,
  report: LogEvent,
): Promise<void> {
  const isOneOfSeveral = identity.form === 'several';
  const blocks = await checkStore(storeDir);
  if (blocks.length > 0)
    report('log_copy_damaged', { blocks, todo: isOneOfSeveral ? healingToDo : aloneToDo }, 'warn');
  if (isOneOfSeveral) await mistrustStore(storeDir);
}

/** Without room a new start would end as this one; meanwhile the server goes on for the bus, and other servers keep the log. */
async function untilRoom(
  { files }: ManagerWiring,
  report: LogEvent,
  scope: AbortSignal,
): Promise<'room' | undefined> {
  const dir = files.path('store');
  for (let said = false; !scope.aborted; said = true) {
    const { bavail, bsize } = await statfs(dir);
    const free = bavail * bsize;
    if (!said)
      report(
        'log_store_failed',
        { dir, freeBytes: free, neededBytes: roomMin, todo: roomToDo },
        'warn',
      );
    else if (free >= roomMin) return 'room';
    await pause(systemClock, roomEveryMs, scope);
  }
  return undefined;
}

/** The group of the log's servers: one name for each generation, so that a server of an older one stays outside. */
function clusterOf({ config, files, identity }: ManagerWiring): ClusterOptions {
  const peers = files.peers();
  const others = peers.filter(({ nodeId }) => nodeId !== identity.nodeId);
  return {
    name: `${identity.clusterId}-${identity.generation}`,
    host: hostOf(identity.listenAddr),
    port: config.routePort,
    routes: others.map(({ route }) => route),
    // of its own keys a server needs none but the one in use: a new one that is only asked for changes nothing here
    pinnedCerts: [publicKeyPin(files.certificate('node')), ...others.flatMap(({ pins }) => pins)],
  };
}

async function runAuth(
  wiring: ManagerWiring,
  users: OwnUsers,
  current: CurrentManager,
  scope: AbortSignal,
): Promise<void> {
  const { files, identity, logger } = wiring;
  if (identity.generation === 0) return aborted(scope);
  const report = actorLog(logger, { actor: 'bus-auth', node: identity.nodeId });
  const link = await ownLink(wiring, users.auth, 'auth', scope);
  wiring.onUp('bus-auth');
  // each connection asks for it
  let rootFile = files.certificate('root');
  const forgetFiles = files.onCertificates(() => (rootFile = files.certificate('root')));
  const serve = ({ view, command }: Pick<Manager, 'view' | 'command'>): Unsubscribe =>
    serveAuth(link, {
      onProved: noteProvedKeys({ view, command }),
      issuer: nkeyFromSeed(files.mustKeys().busIssuerSeed),
      clusterId: identity.clusterId,
      roots: cachedRoots(() => rootsOf(view(), rootFile)),
      isRevoked: (nodeId, role) => {
        const node = view().node(nodeId);
        return node === undefined || (role === 'manager' && node.role !== 'manager');
      },
      isBarred: (nodeId) => {
        const node = view().node(nodeId);
        return node !== undefined && isBarred(node, Date.now());
      },
      now: Date.now,
      onDenied: (denial) => report('bus_connection_denied', denial, 'warn'),
    });
  // One that does not know the cluster's nodes leaves the question to the other managers.
  let stop: Unsubscribe = () => undefined;
  const forget = current.watch((manager) => {
    stop();
    stop =
      manager === undefined
        ? () => undefined
        : serve({
            view: () => manager.view(),
            command: (name, body) => manager.command(name, body),
          });
  });
  await aborted(scope);
  forgetFiles();
  forget();
  stop();
  await link.close();
}

/**
 * A node that a version of before has let in has no key noted: the first one that it proves is, so that the node can come
 * back. What fails is made up for by its next connection.
 */
function noteProvedKeys({ view, command }: Pick<Manager, 'view' | 'command'>) {
  const underWay = new Set<string>();
  return (nodeId: string, certificatePem: string): void => {
    const node = view().node(nodeId);
    if (node === undefined || !isKeyUnknown(node) || underWay.has(nodeId)) return;
    underWay.add(nodeId);
    const key = readCertificate(certificatePem).publicKeyDer.toString('base64');
    void command('node.pin', { nodeId, key, isSeen: true })
      .catch(() => undefined)
      .then(() => underWay.delete(nodeId));
  };
}

/** Each of the two may be late: the file hears of a change by a message, the state of a manager that has just started by the log. */
function rootsOf(view: View, known: string): string {
  const cluster = view.cluster();
  const stated = cluster === undefined ? known : trustedRootsPem(cluster);
  return stated === known ? known : `${stated}\n${known}`;
}

/** Roots change only with the cluster's CA; they are read again when the text differs. */
function cachedRoots(pem: () => string): () => ReturnType<typeof trustRoots> {
  let text = pem();
  let roots = trustRoots(text);
  return () => {
    const now = pem();
    if (now !== text) {
      text = now;
      roots = trustRoots(now);
    }
    return roots;
  };
}
