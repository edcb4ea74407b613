import { expect, test } from '@jest/globals';
import { Replica } from '../../../actors/manager/replica.ts';
import { encodeEntry, hashOf } from '../../../bus/log-entry.ts';
import type { Checkpoint, Journal, LogRecord, StateLog } from '../../../bus/ports.ts';

class FakeJournal implements Journal {
  records: LogRecord[] = [];
  kept: Checkpoint | undefined;

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
    this.kept = checkpoint;
    this.records = this.records.filter(({ seq }) => seq > checkpoint.seq);
    return Promise.resolve();
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function records(count: number): readonly LogRecord[] {
  const made: LogRecord[] = [];
  let prev = '';
  for (let seq = 1; seq <= count; seq++) {
    const entry = { generation: 1, epoch: 1, leader: 'm', id: `${seq}`, at: seq, prev };
    const data = encodeEntry({ ...entry, changes: [] });
    made.push({ seq, data });
    prev = hashOf(data);
  }
  return made;
}

const logThatPurges = (purge: (seq: number) => Promise<void>): StateLog =>
  ({ purge }) as unknown as StateLog;

test('a compaction that failed does not end compaction', async () => {
  const journal = new FakeJournal();
  const replica = await Replica.open(journal, 2);
  const all = records(6);
  for (const record of all.slice(0, 2)) replica.accept(record);
  const away = logThatPurges(() => Promise.reject(new Error('no log')));
  await expect(replica.compact(away)).rejects.toThrow('no log');
  for (const record of all.slice(2, 4)) replica.accept(record);
  await replica.compact(logThatPurges(() => Promise.resolve()));
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
  await after.compact(logThatPurges(() => Promise.resolve()));
  expect(journal.kept?.seq).toBe(4);
  expect(journal.records).toEqual([]);
});
