import { connectBus } from '../bus/nats/bus.ts';
import { kickNode } from '../bus/nats/kick.ts';
import { NatsLog } from '../bus/nats/log.ts';
import type { OwnUsers } from '../bus/nats/users.ts';
import { FileJournal } from '../bus/journal/journal.ts';
import { subjects } from '../bus/subjects.ts';
import { Manager, type ManagerOptions } from '../actors/manager/manager.ts';
import { limits } from '../domain/limits.ts';
import type { Applied } from '../domain/store/changes.ts';
import { askExternalCa, caTools, makeJoinToken, newJoinSecret } from '../pki/mod.ts';
import { systemClock } from '../supervisors/clock.ts';
import { actorLog, type LogEvent } from './log.ts';
import {
  aborted,
  busAddress,
  busErrors,
  type CurrentManager,
  externalCas,
  type ManagerWiring,
  newId,
  ownLink,
  tlsOf,
} from './wiring.ts';

export async function runManager(
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
      ...managerPorts(wiring, report),
      bus,
      log,
      onCrash: (error) => crash(error),
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

/** What a manager needs beside its connections. */
function managerPorts(
  { files, identity, registry }: ManagerWiring,
  report: LogEvent,
): Omit<ManagerOptions, 'bus' | 'log'> {
  const { nodeId, generation } = identity;
  return {
    nodeId,
    generation,
    journal: new FileJournal({
      dir: files.path('journal', String(generation)),
      key: Buffer.from(files.keys().dataKey, 'hex'),
      generation,
    }),
    clock: systemClock,
    wallNow: Date.now,
    random: Math.random,
    newId,
    registry,
    newJoinToken: (_role, rootPem) => makeJoinToken(rootPem, newJoinSecret()),
    ca: {
      tools: caTools(Date.now),
      ask: (question) =>
        askExternalCa(externalCas(files), question, Date.now, (url, error) =>
          report('external_ca_failed', { url, error: String(error) }),
        ),
    },
    report,
  };
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
