import { expect, test } from '@jest/globals';
import { Committer } from '../../../actors/manager/committer.ts';
import { Replica } from '../../../actors/manager/replica.ts';
import { noLeaderText } from '../../../domain/errors.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { runUntil } from '../../sim/world/drive.ts';
import { JournalDisk } from '../../sim/world/journal.ts';
import { noFaults, SimLog } from '../../sim/world/log.ts';
import { SimProcess } from '../../sim/world/process.ts';
import { Random } from '../../sim/world/random.ts';

async function buildCommitter() {
  const clock = new VirtualClock();
  const process = new SimProcess(clock);
  const log = new SimLog(clock, () => 0.5, { ...noFaults, delayMs: [5, 5] });
  const journal = new JournalDisk(new Random(1)).open(process);
  const replica = await Replica.open(journal);
  const crashes: unknown[] = [];
  let ids = 0;
  const committer = new Committer({
    log: log.client(),
    replica,
    clock,
    wallNow: () => 1_000 + clock.now(),
    newId: () => `id${++ids}`,
    node: 'm',
    generation: 1,
    onDeposed: () => undefined,
    onCrash: (error) => void crashes.push(error),
  });
  const go = (ms: number): Promise<void> => runUntil(clock, clock.now() + ms);
  return { committer, log, replica, crashes, journal, go };
}

test('a record that comes through after the stop is left to the next catch-up', async () => {
  const { committer, log, replica, crashes, journal, go } = await buildCommitter();
  const claim = expect(committer.claim()).rejects.toThrow(noLeaderText);
  await go(1);
  committer.stop();
  void journal.close();
  await go(100);
  await claim;
  expect(log.last).toBe(1);
  expect(replica.store.index).toBe(0);
  expect(crashes).toEqual([]);
});

test('what comes in while a record is on its way goes out together', async () => {
  const { committer, log, go } = await buildCommitter();
  const put = (id: string) => () => ({
    changes: [
      {
        op: 'put' as const,
        kind: 'node' as const,
        object: {
          id,
          spec: { Labels: {}, Role: 'worker' as const, Availability: 'active' as const },
          role: 'worker' as const,
          status: { state: 'unknown' as const, message: '', addr: '' },
        },
      },
    ],
    result: id,
  });
  const committed = ['n1', 'n2', 'n3'].map((id) => committer.propose(put(id)));
  await go(100);
  expect(await Promise.all(committed)).toEqual([
    { result: 'n1', index: 1 },
    { result: 'n2', index: 2 },
    { result: 'n3', index: 2 },
  ]);
  expect(log.last).toBe(2);
});
