import { expect, test } from '@jest/globals';
import { PendingForwards } from '../../../actors/manager/pending-forwards.ts';
import { lostLeadership } from '../../../actors/manager/faults.ts';
import { Replica } from '../../../actors/manager/replica.ts';
import { type DoneCommand, encodeEntry } from '../../../bus/log-entry.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { runUntil } from '../../sim/world/drive.ts';
import { JournalDisk } from '../../sim/world/journal.ts';
import { SimProcess } from '../../sim/world/process.ts';
import { Random } from '../../sim/world/random.ts';

const limitMs = 10_000;

async function build() {
  const clock = new VirtualClock();
  const journal = new JournalDisk(new Random(1)).open(new SimProcess(clock));
  const replica = await Replica.open(journal);
  const forwards = new PendingForwards(replica, clock);
  const write = (epoch: number, done?: readonly DoneCommand[]): void => {
    const seq = replica.store.index + 1;
    const head = { generation: 1, epoch, leader: `m${epoch}`, id: `tx${seq}`, at: seq };
    const entry = { ...head, prev: replica.hash, changes: [], ...(done && { done }) };
    replica.accept({ seq, data: encodeEntry(entry) });
  };
  /** A command for the leader of epoch 1, of which nothing is heard again. */
  const run = (id: string) =>
    forwards.run({ id, epoch: 1 }, () => new Promise(() => undefined), limitMs);
  return { clock, forwards, write, run };
}

test('a command whose leader was lost is told by the log, not before another leads', async () => {
  const { clock, write, run } = await build();
  let told = false;
  const running = run('a').finally(() => (told = true));
  write(1, [{ id: 'other', result: 1 }]);
  write(1, [
    { id: 'b', result: 2 },
    { id: 'a', result: { id: 'made' } },
  ]);
  await runUntil(clock, 100);
  expect(told).toBe(false);
  write(2);
  expect(await running).toEqual({ result: { id: 'made' }, index: 2 });
});

test('a leader that lost its place with the command on its way does not have the last word', async () => {
  const { write, forwards } = await build();
  const run = (id: string) =>
    forwards.run({ id, epoch: 1 }, () => Promise.reject(lostLeadership()), limitMs);
  const done = run('a');
  const notDone = run('b');
  write(1, [{ id: 'a', result: { id: 'made' } }]);
  write(2);
  expect(await done).toEqual({ result: { id: 'made' }, index: 1 });
  expect(await notDone).toBeUndefined();
});

test('behind the claim of a newer leader it certainly was not done', async () => {
  const { write, run } = await build();
  const running = run('a');
  write(1);
  write(2);
  expect(await running).toBeUndefined();
});

test('a leader of before says nothing of a command for the newest', async () => {
  const { clock, write, forwards } = await build();
  const running = forwards.run({ id: 'a', epoch: 2 }, () => Promise.resolve(undefined), limitMs);
  write(1);
  write(2);
  const gaveUp = expect(running).rejects.toThrow('context deadline exceeded');
  await runUntil(clock, limitMs);
  await gaveUp;
});

test('the leader’s answer counts, whatever it is', async () => {
  const { forwards } = await build();
  const forward = { id: 'a', epoch: 1 };
  const answer = (asked: { result: unknown; index: number } | undefined) =>
    forwards.run(forward, () => Promise.resolve({ asked }), limitMs);
  expect(await answer({ result: 'x', index: 7 })).toEqual({ result: 'x', index: 7 });
  expect(await answer(undefined)).toBeUndefined();
  const refused = forwards.run(forward, () => Promise.reject(new Error('name in use')), limitMs);
  await expect(refused).rejects.toThrow('name in use');
});
