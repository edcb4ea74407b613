// What a manager knows and what the log says cannot both be true: it serves nobody and counts for nothing.

import { expect, test } from '@jest/globals';
import { Manager } from '../../../actors/manager/manager.ts';
import { encodeEntry, hashOf } from '../../../bus/log-entry.ts';
import type { Journal, LogRecord, StateLog } from '../../../bus/ports.ts';
import type { HeartbeatReply } from '../../../bus/protocol.ts';
import { subjects } from '../../../bus/subjects.ts';
import type { Change } from '../../../domain/store/changes.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { runUntil } from '../../sim/world/drive.ts';
import { MemoryHub } from '../../support/memory-bus.ts';

const managerNode = (id: string): Change => ({
  op: 'put',
  kind: 'node',
  object: {
    id,
    spec: { Labels: {}, Role: 'manager', Availability: 'active' },
    role: 'manager',
    status: { state: 'ready', message: '', addr: '' },
    manager: { addr: '', bus: '', route: '', reachability: 'reachable' },
  },
});

/** Records of one history; two of different `names` part at the second record. */
function history(name: string, count: number): readonly LogRecord[] {
  const records: LogRecord[] = [];
  let prev = '';
  for (let seq = 1; seq <= count; seq++) {
    const id = seq === 1 ? 'common' : `${name}-${seq}`;
    const changes = seq === 1 ? ['a', 'b', 'c'].map(managerNode) : [];
    const entry = { generation: 1, epoch: 1, leader: 'a', id, at: seq, prev, changes };
    const data = encodeEntry(entry);
    records.push({ seq, data });
    prev = hashOf(data);
  }
  return records;
}

/** The log as its leader has it, and what a copy answers that is asked at random. */
class Log implements StateLog {
  leaders: readonly LogRecord[] = [];
  copy: readonly LogRecord[] | undefined;

  append = () => Promise.resolve({ kind: 'unknown', cause: 'not here' } as const);
  read = (from: number) =>
    Promise.resolve((this.copy ?? this.leaders).filter(({ seq }) => seq >= from));
  confirm = (seq: number) => Promise.resolve(this.leaders.find((record) => record.seq === seq));
  bounds = () => Promise.resolve({ first: 1, last: this.leaders.length });
  tail = () => () => undefined;
  purge = () => Promise.resolve();
}

async function manager(journaled: readonly LogRecord[], log: Log) {
  const clock = new VirtualClock();
  const hub = new MemoryHub(clock);
  const told: string[] = [];
  const crashes: unknown[] = [];
  const journal: Journal = {
    load: () => Promise.resolve({ records: journaled }),
    append: () => undefined,
    flush: () => Promise.resolve(),
    checkpoint: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const opened = await Manager.open({
    nodeId: 'b',
    generation: 1,
    form: 'several',
    bus: hub.connect(),
    log,
    journal,
    clock,
    wallNow: () => 0,
    random: () => 0.5,
    newId: () => 'id',
    newJoinToken: () => '',
    newUnlockKey: () => '',
    report: () => undefined,
    onCrash: (error) => crashes.push(error),
    onContradiction: (why) => told.push(why),
  });
  opened.start();
  const leader = hub.connect();
  leader.subscribe(subjects.manager('a', 'index'), ({ reply }) =>
    reply?.({ ok: true, index: log.leaders.length }),
  );
  let last: HeartbeatReply | undefined;
  const heartbeat = (): void => {
    clock.setTimeout(heartbeat, 250);
    const body = { generation: 1, epoch: 1, nodeId: 'a', index: log.leaders.length };
    void leader.request(subjects.manager('b', 'beat'), body, 1_000).then(
      (reply) => (last = reply as HeartbeatReply),
      () => undefined,
    );
  };
  heartbeat();
  const pass = (ms: number): Promise<void> => runUntil(clock, clock.now() + ms);
  const read = async (): Promise<string> => {
    const outcome = opened.read().then(
      ({ index }) => `read at ${index}`,
      (error: Error) => error.message,
    );
    await pass(6_000);
    return outcome;
  };
  await pass(3_000);
  return { opened, told, crashes, pass, read, isSupporting: () => last?.ok };
}

const contradicting: readonly [string, readonly LogRecord[], readonly LogRecord[], string][] = [
  [
    'it knows of more than the log has',
    history('x', 9),
    history('y', 4),
    'this manager knows of record 9, and the log ends at 4',
  ],
  [
    'the log goes on from another record',
    history('x', 4),
    history('y', 9),
    'record 5 of the log does not follow record 4 that this manager knows',
  ],
];

test.each(contradicting)('%s', async (_, known, said, why) => {
  const log = new Log();
  log.leaders = said;
  const { opened, told, crashes, pass, read, isSupporting } = await manager(known, log);
  expect(isSupporting()).toBe(false);
  expect(told).toEqual([]);
  await pass(6_000);
  expect(told).toEqual([why]);
  expect(isSupporting()).toBe(false);
  const text = `This manager's state and the log contradict each other: ${why}.`;
  expect(await read()).toBe(text);
  await expect(opened.command('service.create', {})).rejects.toThrow(text);
  await pass(10_000);
  expect(told).toHaveLength(1);
  expect(crashes).toEqual([]);
});

test('a leader of the log that has just been elected may have less for a moment', async () => {
  const log = new Log();
  const all = history('x', 9);
  log.leaders = all.slice(0, 4);
  const { told, pass, read, isSupporting } = await manager(all, log);
  expect(isSupporting()).toBe(false);
  log.leaders = all;
  await pass(5_000);
  expect(isSupporting()).toBe(true);
  expect(await read()).toBe('read at 9');
  expect(told).toEqual([]);
});

test('a stale copy of the log that answers in its place takes nobody down', async () => {
  const log = new Log();
  log.leaders = history('x', 9);
  log.copy = history('y', 9);
  const { told, crashes, pass, read, isSupporting } = await manager(history('x', 4), log);
  expect(isSupporting()).toBe(true);
  expect(await read()).toBe('read at 9');
  // the tail, too
  log.leaders = history('x', 12);
  log.copy = history('y', 12);
  await pass(3_000);
  expect(await read()).toBe('read at 12');
  expect([...told, ...crashes]).toEqual([]);
});
