import { expect, test } from '@jest/globals';
import { Committer } from '../../../actors/manager/committer.ts';
import { Replica } from '../../../actors/manager/replica.ts';
import { lostLeadership } from '../../../actors/manager/faults.ts';
import { decodeEntry, encodeEntry } from '../../../bus/log-entry.ts';
import { noLeaderText } from '../../../domain/errors.ts';
import { limits } from '../../../domain/limits.ts';
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
  const newest = { value: true };
  const deposed = { count: 0 };
  let ids = 0;
  const committer = new Committer({
    log: log.client(),
    replica,
    clock,
    wallNow: () => 1_000 + clock.now(),
    newId: () => `id${++ids}`,
    node: 'm',
    generation: 1,
    isNewest: () => newest.value,
    patienceMs: () => 15_000,
    onDeposed: () => void deposed.count++,
    onCrash: (error) => void crashes.push(error),
  });
  const go = (ms: number): Promise<void> => runUntil(clock, clock.now() + ms);
  return { committer, log, replica, crashes, newest, deposed, journal, go };
}

test('a record that comes through after the stop is left to the next catch-up', async () => {
  const { committer, log, replica, crashes, journal, go } = await buildCommitter();
  const claim = expect(committer.claim(() => ({ changes: [], result: undefined }))).rejects.toThrow(
    lostLeadership().message,
  );
  await go(1);
  committer.stop();
  void journal.close();
  await go(100);
  await claim;
  expect(log.last).toBe(1);
  expect(replica.store.index).toBe(0);
  expect(crashes).toEqual([]);
});

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
const nothing = () => ({ changes: [], result: 'nothing' });

async function buildLeading() {
  const built = await buildCommitter();
  void built.committer.claim(() => ({ changes: [], result: undefined }));
  await built.go(100);
  return built;
}

test('what comes in while a record is on its way goes out together', async () => {
  const { committer, log, go } = await buildLeading();
  const committed = ['n1', 'n2', 'n3'].map((id) => committer.propose(put(id)));
  await go(100);
  expect(await Promise.all(committed)).toEqual([
    { result: 'n1', index: 2 },
    { result: 'n2', index: 3 },
    { result: 'n3', index: 3 },
  ]);
  expect(log.last).toBe(3);
});

test('a decision that changes nothing needs a record unless the state is known to be the newest', async () => {
  const { committer, log, newest, go } = await buildLeading();
  expect(await committer.propose(nothing)).toEqual({ result: 'nothing', index: 1 });
  newest.value = false;
  const proved = committer.propose(nothing);
  await go(100);
  expect(await proved).toEqual({ result: 'nothing', index: 2 });
  expect(log.last).toBe(2);
});

/** A record of another leader, as it would stand behind what is in the log now. */
const foreign = (replica: { readonly hash: string }): Uint8Array =>
  encodeEntry({
    generation: 1,
    epoch: 2,
    leader: 'other',
    id: 'foreign',
    at: 5_000,
    prev: replica.hash,
    changes: [],
  });

test('what another leader’s record has pushed out was certainly not done', async () => {
  const { committer, log, replica, deposed, go } = await buildLeading();
  log.write(1, foreign(replica));
  const refused = expect(committer.propose(put('n1'))).rejects.toThrow(noLeaderText);
  await go(100);
  await refused;
  expect(deposed.count).toBe(1);
});

test('a deposed leader still finds out what became of its last record', async () => {
  const { committer, log, replica, go } = await buildLeading();
  log.faults = { ...noFaults, lostAnswers: 1 };
  const committed = committer.propose(put('n1'));
  const waiting = expect(committer.propose(put('n2'))).rejects.toThrow(noLeaderText);
  await go(50);
  committer.retire();
  await waiting;
  log.faults = noFaults;
  for (const record of log.slice(2, 1)) replica.accept(record);
  await go(5_000);
  expect(await committed).toEqual({ result: 'n1', index: 2 });
  expect(log.last).toBe(2);
});

test('a record of which nobody can tell is answered as lost, not as refused', async () => {
  const { committer, log, deposed, go } = await buildLeading();
  log.faults = { ...noFaults, lostRequests: 1 };
  const unknown = expect(committer.propose(put('n1'))).rejects.toThrow(lostLeadership().message);
  await go(30_000);
  await unknown;
  expect(deposed.count).toBe(1);
});

test('a record names the commands of other managers that it carries out, not the refused ones', async () => {
  const { committer, log, newest, go } = await buildLeading();
  newest.value = false;
  const first = committer.propose(nothing);
  const refuse = (): never => {
    throw new Error('no');
  };
  const refused = expect(committer.propose(refuse, 'c1')).rejects.toThrow('no');
  const put1 = committer.propose(put('n1'), 'c2');
  const own = committer.propose(put('n2'));
  await go(100);
  await Promise.all([first, refused, put1, own]);
  const reading = log.client().read(3, 1);
  await go(100);
  const [record] = await reading;
  expect(decodeEntry(record?.data as Uint8Array).done).toEqual([{ id: 'c2', result: 'n1' }]);
});

/** About so many bytes of a record. */
const large = (id: string, bytes: number) => () => {
  const [change] = put(id)().changes;
  if (change === undefined) throw new Error('no change');
  const object = {
    ...change.object,
    status: { ...change.object.status, message: 'x'.repeat(bytes) },
  };
  return { changes: [{ ...change, object }], result: id };
};
const most = limits.transactionBytesMax;

test.each([
  ['just under', -500, ['n1', 'n2']],
  ['just over', 500, ['n1', 'refused']],
  ['far over', 3 * most, ['n1', 'refused']],
])('a command %s the size of a record, behind another one', async (_, over, outcomes) => {
  const { committer, log, go } = await buildLeading();
  const committed = [put('n1'), large('n2', most + over)].map((decide) =>
    committer.propose(decide).then(
      ({ result }) => result,
      (error: Error) => {
        expect(error.message).toBe("raft: raft message is too large and can't be sent");
        return 'refused';
      },
    ),
  );
  await go(200);
  expect(await Promise.all(committed)).toEqual(outcomes);
  const reading = log.client().read(1, 10);
  await go(100);
  for (const { data } of await reading)
    expect(data.length).toBeLessThan(limits.serverPayloadBytesMax);
});

test('many large commands at once come into records that fit, each decided twice at most', async () => {
  const { committer, log, go } = await buildLeading();
  let decisions = 0;
  const committed = Array.from({ length: 40 }, (_, i) =>
    committer.propose(() => {
      decisions += 1;
      return large(`n${i}`, limits.specBytesMax)();
    }),
  );
  await go(2_000);
  const indexes = (await Promise.all(committed)).map(({ index }) => index);
  expect(indexes).toEqual(indexes.toSorted((a, b) => a - b));
  expect(decisions).toBeLessThanOrEqual(2 * 40);
  expect(log.last).toBeLessThan(30);
});

test('of a plan as much is written as one record holds; a command is written whole or not', async () => {
  const { committer, replica, go } = await buildLeading();
  const changes = Array.from({ length: 10 }, (_, i) => large(`n${i}`, most / 4)().changes).flat();
  const plan = committer.propose(() => ({ changes, result: 'whole', cut: { result: 'cut' } }));
  await go(200);
  expect(await plan).toMatchObject({ result: 'cut' });
  expect(replica.store.count('node')).toBe(3);
  const command = expect(committer.propose(() => ({ changes, result: 'whole' }))).rejects.toThrow(
    'too large',
  );
  await go(200);
  await command;
  expect(replica.store.count('node')).toBe(3);
});
