import { expect, test } from '@jest/globals';
import { encodeCheckpoint } from '../../../actors/manager/checkpoint.ts';
import { Replica } from '../../../actors/manager/replica.ts';
import { pack } from '../../../bus/codec.ts';
import { encodeEntry, hashOf } from '../../../bus/log-entry.ts';
import type { Checkpoint, Journal, LogRecord, StateLog } from '../../../bus/ports.ts';
import { Incompatible } from '../../../domain/format/format.ts';
import { limits } from '../../../domain/limits.ts';
import type { NodeDescription, TaskStatus } from '../../../domain/model/objects.ts';
import type { Change } from '../../../domain/store/changes.ts';
import { LogWeight } from '../../../domain/store/log-weight.ts';
import { nodeDraft, taskDraft } from '../commands/helpers.ts';

class FakeJournal implements Journal {
  records: LogRecord[] = [];
  kept: Checkpoint | undefined;
  full = false;

  load() {
    return Promise.resolve({
      records: this.records,
      ...(this.kept !== undefined && { checkpoint: this.kept }),
    });
  }
  append(record: LogRecord): void {
    this.records.push(record);
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  checkpoint(checkpoint: Checkpoint): Promise<void> {
    if (this.full) return Promise.reject(new Error('no space'));
    this.kept = checkpoint;
    this.records = this.records.filter(({ seq }) => seq > checkpoint.seq);
    return Promise.resolve();
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function records(count: number, changes: readonly Change[] = []): readonly LogRecord[] {
  const made: LogRecord[] = [];
  let prev = '';
  for (let seq = 1; seq <= count; seq++) {
    const entry = { generation: 1, epoch: 1, leader: 'm', id: `${seq}`, at: seq, prev };
    const data = encodeEntry({ ...entry, changes });
    made.push({ seq, data });
    prev = hashOf(data);
  }
  return made;
}

/** No other manager needs the log. */
const whole = (): number => Number.POSITIVE_INFINITY;
const purges: number[] = [];
const log = {
  purge: (seq: number) => Promise.resolve(void purges.push(seq)),
} as unknown as StateLog;

test('a compaction that failed does not end compaction', async () => {
  const journal = new FakeJournal();
  const replica = await Replica.open(journal, 2);
  const all = records(6);
  for (const record of all.slice(0, 2)) replica.accept(record);
  journal.full = true;
  await expect(replica.compact(log, whole)).rejects.toThrow('no space');
  journal.full = false;
  for (const record of all.slice(2, 4)) replica.accept(record);
  await replica.compact(log, whole);
  expect(journal.kept?.seq).toBe(4);
});

test('records that a restart finds in the journal count for the next checkpoint', async () => {
  const journal = new FakeJournal();
  const before = await Replica.open(journal, 4);
  const all = records(6);
  for (const record of all.slice(0, 3)) before.accept(record);
  const after = await Replica.open(journal, 4);
  expect(after.store.index).toBe(3);
  after.accept(all[3] as LogRecord);
  await after.compact(log, whole);
  expect(journal.kept?.seq).toBe(4);
  expect(journal.records).toEqual([]);
});

test('the log forgets what every manager has on its disk, and keeps a tail', async () => {
  const journal = new FakeJournal();
  const replica = await Replica.open(journal, 1_500);
  for (const record of records(1_500)) replica.accept(record);
  expect(replica.kept).toBe(0);
  await replica.compact(log, () => 1_200);
  expect(purges).toEqual([200]);
  expect(replica.kept).toBe(1_500);
});

const MiB = 1024 * 1024;
const large = (label: string): readonly Change[] => [
  {
    op: 'put',
    kind: 'node',
    object: { ...nodeDraft('n1'), spec: { ...nodeDraft('n1').spec, Labels: { label } } },
  },
];

test('large records are checkpointed and forgotten long before there are many of them', async () => {
  purges.length = 0;
  const journal = new FakeJournal();
  const replica = await Replica.open(journal);
  const all = records(limits.checkpointEveryBytes / MiB, large('x'.repeat(MiB)));
  for (const record of all.slice(0, -1)) replica.accept(record);
  await replica.compact(log, whole);
  expect(journal.kept).toBeUndefined();
  replica.accept(all.at(-1) as LogRecord);
  await replica.compact(log, whole);
  expect(journal.kept?.seq).toBe(all.length);
  const [end = 0] = purges;
  const kept = all.slice(end).reduce((sum, { data }) => sum + data.byteLength, 0);
  expect(kept).toBeLessThanOrEqual(limits.logTailBytesKept);
  expect(kept).toBeGreaterThan(limits.logTailBytesKept - 2 * MiB);
});

test('a state that is larger than that is not written again before the log has grown by as much', () => {
  const weight = new LogWeight(10_000);
  weight.begin(200 * MiB);
  const grow = (bytes: number): void => {
    for (let sum = 0; sum < bytes; sum += MiB) weight.add(MiB);
  };
  grow(199 * MiB);
  expect(weight.isDue).toBe(false);
  grow(MiB);
  expect(weight.isDue).toBe(true);
  expect(weight.tailRecords).toBe(limits.logTailBytesKept / MiB);
  for (let i = 0; i < 5_000; i++) weight.add(1);
  expect(weight.tailRecords).toBe(limits.logTailRecordsKept);
});

test('a manager that nobody has told of holds the whole log', async () => {
  purges.length = 0;
  const replica = await Replica.open(new FakeJournal(), 1_500);
  for (const record of records(1_500)) replica.accept(record);
  await replica.compact(log, () => 0);
  expect(purges).toEqual([]);
});

test('two leaders of one epoch are a broken rule', async () => {
  const replica = await Replica.open(new FakeJournal());
  const [first] = records(1);
  replica.accept(first as LogRecord);
  const entry = { generation: 1, epoch: 1, leader: 'other', id: 'x', at: 2, changes: [] };
  const data = encodeEntry({ ...entry, prev: replica.hash });
  expect(() => replica.accept({ seq: 2, data })).toThrow('two leaders of epoch 1');
});

test('a state with what a version before took unread from a node opens without it, and says so', async () => {
  const poisoned = {
    hostname: 'h',
    platform: { architecture: 'x86_64', os: 'linux' },
    resources: { nanoCpus: 1, memoryBytes: 1, generic: { a: 1 } },
    engine: { version: '1', labels: { a: { b: 1 } }, plugins: [null] },
  } as unknown as NodeDescription;
  const node = { ...nodeDraft('n1'), description: poisoned };
  const changes: readonly Change[] = [{ op: 'put', kind: 'node', object: node }];
  const journal = new FakeJournal();
  journal.records = [...records(1, changes)];
  const left: string[] = [];
  const open = () => Replica.open(journal, 1, (what) => void left.push(what));
  const fromRecords = await open();
  expect(fromRecords.store.node('n1')).toMatchObject({ id: 'n1', description: undefined });
  // as that version's checkpoint has it
  const object = { ...node, meta: { version: 1, createdAt: 1, updatedAt: 1 } };
  const objects = { ...fromRecords.store.dump(), node: [object] };
  const data = encodeCheckpoint({ epoch: 1, at: 1, leader: 'm', objects });
  journal.kept = { seq: 1, hash: fromRecords.hash, data };
  journal.records = [];
  const fromCheckpoint = await open();
  expect(fromCheckpoint.store.node('n1')).toMatchObject({ id: 'n1', description: undefined });
  expect(left).toEqual(['description of node n1', 'description of node n1']);
});

test('texts that a version before took as they came are shown without what a terminal obeys', async () => {
  const escape = 'a\u001b[2Jb\u009b';
  const odd: Record<string, unknown>[] = [
    { state: 'failed', at: 1, message: escape, err: `${escape}\n` },
    { state: 'failed', at: 1e300, message: { a: 1 }, err: 7 },
    { state: 'failed', at: 1, message: 'm', container: 'c', ports: [null] },
  ];
  const status = { state: 'down' as const, message: escape, addr: escape };
  const journal = new FakeJournal();
  journal.records = [
    ...records(1, [
      { op: 'put', kind: 'node', object: nodeDraft('n1', { status }) },
      ...odd.flatMap((given, i): Change[] => [
        { op: 'put', kind: 'task', object: taskDraft(`t${i}`) },
        {
          op: 'patch',
          kind: 'task',
          id: `t${i}`,
          fields: { status: given as unknown as TaskStatus },
        },
      ]),
    ]),
  ];
  const { store } = await Replica.open(journal, 1);
  expect(store.node('n1')?.status.message).toBe('a\ufffd[2Jb\ufffd');
  expect(store.node('n1')?.status.addr).toBe('a\ufffd[2Jb\ufffd');
  expect(store.node('n1')).not.toHaveProperty('description');
  expect(odd.map((_, i) => store.task(`t${i}`)?.status)).toEqual([
    { state: 'failed', at: 1, message: 'a\ufffd[2Jb\ufffd', err: 'a\ufffd[2Jb\ufffd\n' },
    { state: 'failed', at: 0, message: '', err: '' },
    { state: 'failed', at: 1, message: 'm' },
  ]);
});

test('a record of a newer natswarm is not skipped: the copy stays where it was, and so does its journal', async () => {
  const journal = new FakeJournal();
  journal.records = [...records(2)];
  const replica = await Replica.open(journal);
  const head = { generation: 1, epoch: 1, leader: 'm', id: '3', at: 3, prev: replica.hash };
  for (const newer of [
    { ...head, v: 2, changes: [] },
    { ...head, v: 1, changes: [{ op: 'put', kind: 'network', object: { id: 'a' } }] },
  ])
    expect(() => replica.accept({ seq: 3, data: pack(newer) })).toThrow(Incompatible);
  expect(replica.store.index).toBe(2);
  expect(journal.records).toHaveLength(2);
});
