import { lockOf } from '../actors/node/log-place/log-offer.ts';
import type { BusConnection } from '../bus/nats/bus.ts';
import { Crowd } from '../bus/nats/crowd.ts';
import { kickNode } from '../bus/nats/kick.ts';
import { Strangers } from '../bus/nats/strangers.ts';
import type { Link } from '../bus/nats/link.ts';
import { NatsLog } from '../bus/nats/log.ts';
import { Accelerator, findRaftGroup } from '../bus/nats/accelerator.ts';
import { metaGroup } from '../bus/nats/jsz.ts';
import { NatsLogGroup } from '../bus/nats/log-group.ts';
import { waitForJetStream } from '../bus/nats/server.ts';
import type { OwnUsers } from '../bus/nats/users.ts';
import { JournalError } from '../bus/ports.ts';
import { subjects } from '../bus/subjects.ts';
import { GenerationHandover } from '../actors/node/log-place/generation-handover.ts';
import type { LogFollower } from '../actors/node/log-place/log-follower.ts';
import { untilCopied, untilForgotten } from '../actors/node/log-place/own-server-watch.ts';
import { Manager, type ManagerOptions } from '../actors/manager/manager.ts';
import { Incompatible } from '../domain/format/format.ts';
import { levelOf, requireLevel, tooLow } from '../domain/format/levels.ts';
import { limits } from '../domain/limits.ts';
import { placedManagers, routePeers } from '../domain/members/form.ts';
import type { Node } from '../domain/model/objects.ts';
import type { Applied } from '../domain/store/changes.ts';
import {
  askExternalCa,
  caTools,
  formatUnlockKey,
  makeJoinToken,
  newJoinSecret,
  newKey,
} from '../pki/mod.ts';
import { aborted, pause, systemClock, timeoutSignal } from '../supervisors/clock.ts';
import { rolledBack } from './admission.ts';
import type { Config } from './config.ts';
import { watchDisk } from './disk-watch.ts';
import { placeOf } from './found-cluster.ts';
import { journalOf } from './generation.ts';
import { applyLock } from './key-lock.ts';
import { actorLog, type LogEvent, warning } from './log.ts';
import { newLogFollower } from './log-follower.ts';
import { LogPlaceFiles } from './log-place-files.ts';
import {
  busAddress,
  type CurrentManager,
  externalCas,
  type ManagerWiring,
  newId,
  openBus,
  ownLink,
  tlsOf,
} from './wiring.ts';

/** A generation of several managers that has not come about after this long is given up by its founder, ms. */
const foundingPatienceMs = 30_000;
/** Pause between two tries to tell where this manager is, ms. */
const tellEveryMs = 1_000;
const tellOldLeaderEveryMs = 10_000;
/** The log's raft group has another name after its number of copies has changed, ms. */
const raftGroupEveryMs = 2_000;
/** Before a start that nobody has taken note of is told again, ms. */
const againMs = 1_000;
/** What a copy of a disk may have been taken of without being told from it, ms. */
const marksEveryMs = 1_000;

/** The manager of this node, until `scope` ends. Rejects when it crashes. */
export async function runManager(
  wiring: ManagerWiring,
  users: OwnUsers,
  current: CurrentManager,
  scope: AbortSignal,
): Promise<void> {
  const report = actorLog(wiring.logger, { actor: 'manager', node: wiring.identity.nodeId });
  try {
    await runUntilCrash(wiring, users, current, report, scope);
  } catch (error) {
    if (!(error instanceof Incompatible)) throw error;
    await standStill(wiring, error, report, scope);
  }
}

async function runUntilCrash(
  wiring: ManagerWiring,
  users: OwnUsers,
  current: CurrentManager,
  report: LogEvent,
  scope: AbortSignal,
): Promise<void> {
  const { config, identity } = wiring;
  const follower = newLogFollower(wiring, report);
  if (identity.generation === 0) {
    await follower.seek(scope);
    await aborted(scope);
    return;
  }
  const end = new AbortController();
  const within = AbortSignal.any([scope, end.signal]);
  const closing: (() => Promise<void>)[] = [];
  let crash: (error: unknown) => void = () => undefined;
  const crashed = new Promise<never>((_, reject) => {
    crash = reject;
  });
  try {
    const links = await openLinks(wiring, users, report, closing, within);
    if (identity.form === 'several') startElectionAccelerators(links, report, within);
    if (identity.joining === true) follower.seek(within).catch(crash);
    const handover = handoverOf(wiring, links, follower, report);
    if (!(await handover.open(wiring.create, within))) return await aborted(scope);
    const diskRoom = watchDisk(config.stateDir, report, within);
    const open = (): Promise<Manager> =>
      Manager.open({
        ...managerPorts(wiring, report),
        diskRoom,
        ...links,
        onCrash: (error) => crash(error),
        onContradiction: (why) => standAside(wiring, why, crash),
        onClosed: () => void handover.advance(manager, within).catch(crash),
        onStranded: () => void handover.retreat(manager).catch(crash),
      });
    const manager = await open().catch(async (error: unknown) => {
      if (!(error instanceof JournalError) || identity.form !== 'several') throw error;
      report('journal_damaged', { error: error.message }, 'warn');
      await follower.fetchState(within);
      return open();
    });
    closing.unshift(() => manager.stop());
    watchLevel(manager, config, crash);
    if (identity.form === 'several') void beginAnew(wiring, links, report, within);
    syncNodeFiles(wiring, manager, links.system, report);
    manager.start();
    current.set(manager);
    wiring.onUp('manager');
    const stay = async (): Promise<void> => {
      if (identity.joining === true) await handover.confirm(manager, within);
      const telling = tellPlace(wiring, manager, report, within);
      if (identity.form !== 'several') return telling;
      await Promise.all([
        telling,
        tellStarted(wiring, manager, report, within),
        keepMarks(wiring, manager, report, within),
        follower.watch(manager, within),
      ]);
    };
    stay().catch(crash);
    await Promise.race([aborted(scope), crashed]);
  } finally {
    end.abort();
    current.set(undefined);
    for (const close of closing) await close();
  }
}

/**
 * This natswarm cannot go on with what the cluster's state is now, and a restart of the manager would change nothing. Its server
 * keeps the log, and its agent the tasks, until another natswarm is installed.
 */
async function standStill(
  { onStandstill }: ManagerWiring,
  { message: why }: Incompatible,
  report: LogEvent,
  scope: AbortSignal,
): Promise<void> {
  report('incompatible', { why }, 'warn');
  onStandstill(why);
  await aborted(scope);
}

/** Throws `Incompatible` when the cluster is above what this natswarm can, and crashes when it comes to be. */
function watchLevel(manager: Manager, config: Config, crash: (error: unknown) => void): void {
  requireLevel(manager.view().cluster(), config.featureLevel);
  manager.watch((applied) => {
    for (const { kind, after } of applied)
      if (kind === 'cluster' && levelOf(after) > config.featureLevel)
        crash(tooLow(levelOf(after), config.featureLevel));
  });
}

/** A server that was taken out of the log's group while it was away is followed by one with another name. */
async function beginAnew(
  { identity, onForgotten }: ManagerWiring,
  { group }: Links,
  report: LogEvent,
  scope: AbortSignal,
): Promise<void> {
  // it rejects with the scope only
  await untilForgotten(group, systemClock, scope).catch(() => undefined);
  if (scope.aborted) return;
  report('log_server_taken_out', { generation: identity.generation });
  onForgotten();
}

/** Several managers go on without this one until somebody decides; one that is alone goes on looking at its log. */
function standAside(wiring: ManagerWiring, why: string, crash: (error: unknown) => void): void {
  const { starts, identity, onRestart, onFailure } = wiring;
  if (identity.form !== 'several')
    return onFailure(
      'manager',
      new Error(`the journal and the log contradict each other: ${why}; ${aloneToDo}`),
    );
  starts
    .setHold({ kind: 'contradiction', why })
    .then(() => onRestart(identity))
    .catch(crash);
}
const aloneToDo =
  'restore the store, or go on from the journal: docker swarm init --force-new-cluster';

/** Tells the others where this manager is, if they think that it is elsewhere. */
async function tellPlace(
  { config, identity }: ManagerWiring,
  manager: Manager,
  report: LogEvent,
  scope: AbortSignal,
): Promise<void> {
  const { nodeId } = identity;
  const place = placeOf(identity, config);
  const isKnown = (): boolean => {
    const known = manager.view().node(nodeId)?.manager;
    return (
      known === undefined ||
      (known.addr === place.addr &&
        known.bus === place.bus &&
        known.route === place.route &&
        levelOf(known) === place.featureLevel)
    );
  };
  while (!scope.aborted && !isKnown()) {
    const isTaken = await manager.command('manager.enroll', { nodeId, ...place }).then(
      () => true,
      (error: unknown) => {
        report('manager_not_moved', { error: String(error) });
        return false;
      },
    );
    if (isTaken) report('manager_moved', place);
    // a leader of a version before takes it and does not note the level
    await pause(systemClock, isTaken ? tellOldLeaderEveryMs : tellEveryMs, scope);
  }
}

interface Links {
  readonly bus: BusConnection;
  readonly log: NatsLog;
  readonly group: NatsLogGroup;
  readonly logLink: Link;
  readonly system: Link;
}

async function openLinks(
  wiring: ManagerWiring,
  users: OwnUsers,
  report: LogEvent,
  closing: (() => Promise<void>)[],
  scope: AbortSignal,
): Promise<Links> {
  const { config, files, identity } = wiring;
  const logLink = await ownLink(wiring, users.log, 'log', scope);
  closing.unshift(() => logLink.close());
  const system = await ownLink(wiring, users.system, 'system', scope);
  closing.unshift(() => system.close());
  void new Strangers({ system, clock: systemClock, report: warning(report) }).run(scope);
  const bus = await openBus(
    {
      servers: [busAddress(config, identity)],
      name: `manager ${identity.nodeId}`,
      tls: () => tlsOf(files),
      user: users.bus,
      inboxPrefix: subjects.inboxPrefix(identity.nodeId),
      signal: scope,
    },
    report,
  );
  closing.unshift(() => bus.close());
  const log = new NatsLog({
    link: logLink,
    onError: (error) => report('log_tail_failed', { error: error.message }, 'warn'),
  });
  const servers = (): number => files.peers().length;
  const group = new NatsLogGroup({ log, link: logLink, system, servers });
  return { bus, log, group, logLink, system };
}

/** Shortens JetStream's elections: of the log, and of the servers' own group. */
function startElectionAccelerators(
  { log, system }: Links,
  report: LogEvent,
  scope: AbortSignal,
): void {
  const stalledForMs = (): number => log.stalledForMs();
  let group: string | undefined;
  const learn = async (): Promise<void> => {
    while (!scope.aborted) {
      // one that stalls, or does not answer, has no better name than before
      if (stalledForMs() === 0)
        group = (await findRaftGroup(system).catch(() => undefined)) ?? group;
      await pause(systemClock, raftGroupEveryMs, scope);
    }
  };
  void learn();
  for (const name of [() => group, () => metaGroup])
    void new Accelerator({ system, group: name, stalledForMs, clock: systemClock, report }).run(
      scope,
    );
}

/** The state learns of this start, and the cluster's people of a disk that was not used. */
async function tellStarted(
  { starts, identity }: ManagerWiring,
  manager: Manager,
  report: LogEvent,
  scope: AbortSignal,
): Promise<void> {
  const { aside } = starts;
  const body = {
    nodeId: identity.nodeId,
    ...starts.starts.at(-1),
    ...(aside !== undefined && { notice: rolledBack(aside) }),
  };
  for (; !scope.aborted; await pause(systemClock, againMs, scope))
    try {
      await manager.command('manager.started', body);
      if (aside !== undefined) await starts.clearAside();
      return;
    } catch (error) {
      report('start_not_told', { error: String(error) });
    }
}

/** What tells an older disk from this one: on this disk, and on those of the others. */
async function keepMarks(
  { starts, seen, identity }: ManagerWiring,
  manager: Manager,
  report: LogEvent,
  scope: AbortSignal,
): Promise<void> {
  let stepped = manager.view().index;
  for (; !scope.aborted; await pause(systemClock, marksEveryMs, scope))
    try {
      await seen.flush();
      const { index } = manager.view();
      if (index > stepped) await starts.step(identity.generation);
      stepped = index;
    } catch (error) {
      report('marks_failed', { error: String(error) }, 'warn');
    }
}

function handoverOf(
  wiring: ManagerWiring,
  { log, logLink, group }: Links,
  others: LogFollower,
  report: LogEvent,
): GenerationHandover {
  const { nodeId } = wiring.identity;
  const servers = {
    ready: (limit: AbortSignal) => waitForJetStream(logLink, limit),
    create: (first?: number, copies?: number) => log.createIfMissing(first, copies),
    copied: (limit: AbortSignal) =>
      untilCopied(group, nodeId, systemClock, limit, (why) => wiring.onProgress(why)),
    foundingPatience: () => timeoutSignal(foundingPatienceMs),
  };
  return new GenerationHandover({ disk: new LogPlaceFiles(wiring), servers, others, report });
}

/** What the node does about changes of the state, beside its manager. */
function syncNodeFiles(
  wiring: ManagerWiring,
  manager: Manager,
  system: Link,
  report: LogEvent,
): void {
  const { files, identity, seen } = wiring;
  if (identity.joining === undefined && identity.founding === undefined)
    files.writePeers(routePeers(manager.view()));
  const noteStarts = (): void => {
    const placed = placedManagers(manager.view());
    for (const {
      id,
      manager: { start },
    } of placed)
      if (start !== undefined && id !== identity.nodeId) seen.note(id, { ...start, kept: 0 });
    seen.keepOnly(new Set(placed.map(({ id }) => id)));
  };
  noteStarts();
  const isLimited = (user: string): boolean => manager.view().node(user)?.role === 'worker';
  new Crowd({ system, isLimited, report: warning(report) }).watch();
  const keepLocked = (): void => {
    if (!applyLock(files, lockOf(manager.view()))) return;
    report('keys_locked_anew', { locked: manager.view().cluster()?.unlockKey !== undefined });
    wiring.onLock();
  };
  keepLocked();
  manager.watch((applied) => {
    if (applied.some(({ kind }) => kind === 'cluster')) keepLocked();
    if (applied.some((change) => change.kind === 'node' && concernsPeers(change))) {
      files.writePeers(routePeers(manager.view()));
      noteStarts();
    }
    for (const nodeId of expelled(applied))
      void kickNode(system, nodeId, limits.busConnectionsMax).then(
        (connections) => report('node_cut_off', { member: nodeId, connections }),
        (error: Error) => report('node_not_cut_off', { member: nodeId, error: error.message }),
      );
  });
}

const concernsPeers = ({ before, after }: Extract<Applied, { kind: 'node' }>): boolean =>
  before?.manager !== after?.manager || before?.pins !== after?.pins;

/** What a manager needs beside its connections. */
function managerPorts(
  { files, identity, registry, seen }: ManagerWiring,
  report: LogEvent,
): Omit<ManagerOptions, 'bus' | 'log' | 'group'> {
  const { nodeId, generation } = identity;
  return {
    nodeId,
    generation,
    form: identity.form ?? 'alone',
    journal: journalOf(files, generation),
    clock: systemClock,
    wallNow: Date.now,
    random: Math.random,
    newId,
    registry,
    newJoinToken: (_role, rootPem) => makeJoinToken(rootPem, newJoinSecret()),
    newUnlockKey: () => formatUnlockKey(newKey()),
    ca: {
      tools: caTools(Date.now),
      ask: (question) =>
        askExternalCa(externalCas(files), question, Date.now, (url, error) =>
          report('external_ca_failed', { url, error: String(error) }, 'warn'),
        ),
    },
    onKept: (kept) => {
      for (const [id, upTo] of Object.entries(kept))
        if (id !== nodeId) seen.noteKept(id, generation, upTo);
    },
    report,
  };
}

/** Nodes that lost their place, a manager's rights, or for a while their way in, while their certificates are still valid. */
const expelled = (applied: readonly Applied[]): readonly string[] =>
  applied.flatMap((change) =>
    change.kind === 'node' && change.before !== undefined && isExpelled(change.before, change.after)
      ? [change.id]
      : [],
  );

const isExpelled = (before: Node, after: Node | undefined): boolean =>
  after === undefined ||
  (before.role === 'manager' && after.role !== 'manager') ||
  (after.barredUntil !== undefined && after.barredUntil !== before.barredUntil);
