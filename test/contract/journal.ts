import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Checkpoint, Journal, LogRecord } from '../../bus/ports.ts';

/** The storage of one journal. */
export interface JournalHarness {
  /** The journal as a manager that starts finds it; the one before has ended or crashed. */
  open(): Promise<Journal>;
  /** The manager dies here and now; what was not flushed may be lost. */
  crash(): Promise<void>;
  /** Waits for a promise; simulated time passes meanwhile. */
  settle<T>(promise: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const record = (seq: number): LogRecord => ({
  seq,
  data: Buffer.from(`record ${seq} ${'x'.repeat(seq % 100)}`),
});
const records = (from: number, to: number): readonly LogRecord[] =>
  Array.from({ length: to - from + 1 }, (_, i) => record(from + i));
const checkpointAt = (seq: number): Checkpoint => ({
  seq,
  hash: `hash ${seq}`,
  data: Buffer.from(`state ${seq}`),
});

/** Plain, for comparing whatever kind of byte array it is. */
const plain = (list: readonly LogRecord[]): readonly string[] =>
  list.map(({ seq, data }) => `${seq} ${Buffer.from(data).toString()}`);

export function journalContract(name: string, create: () => Promise<JournalHarness>): void {
  describe(`journal: ${name}`, () => {
    let harness: JournalHarness;
    beforeEach(async () => {
      harness = await create();
    });
    afterEach(() => harness.close());

    const settle = <T>(promise: Promise<T>): Promise<T> => harness.settle(promise);
    const append = (journal: Journal, from: number, to: number): void => {
      for (const each of records(from, to)) journal.append(each);
    };
    const load = async (): Promise<{
      journal: Journal;
      seqs: string;
      found: Checkpoint | undefined;
    }> => {
      const journal = await harness.open();
      const { checkpoint, records: list } = await settle(journal.load());
      expect(plain(list)).toEqual(plain(list.map(({ seq }) => record(seq))));
      const seqs = list.length === 0 ? '' : `${list[0]?.seq}-${list.at(-1)?.seq}`;
      expect(
        list.length === 0 || list.length === (list.at(-1)?.seq ?? 0) - (list[0]?.seq ?? 0) + 1,
      ).toBe(true);
      return { journal, seqs, found: checkpoint };
    };

    test('begins empty', async () => {
      const { seqs, found } = await load();
      expect([seqs, found]).toEqual(['', undefined]);
    });

    test('gives back what was flushed, after a clean end and after a crash', async () => {
      const first = await load();
      append(first.journal, 1, 10);
      await settle(first.journal.flush());
      append(first.journal, 11, 20);
      await settle(first.journal.close());
      const second = await load();
      expect(second.seqs).toBe('1-20');
      append(second.journal, 21, 30);
      await settle(second.journal.flush());
      await harness.crash();
      expect((await load()).seqs).toBe('1-30');
    });

    test('what was not flushed may be lost, from its end', async () => {
      const first = await load();
      append(first.journal, 1, 10);
      await settle(first.journal.flush());
      append(first.journal, 11, 20);
      await harness.crash();
      const { seqs, journal } = await load();
      const last = Number(seqs.split('-')[1]);
      expect(last).toBeGreaterThanOrEqual(10);
      expect(last).toBeLessThanOrEqual(20);
      append(journal, last + 1, 25);
      await settle(journal.close());
      expect((await load()).seqs).toBe('1-25');
    });

    test('a checkpoint replaces the records up to it', async () => {
      const first = await load();
      append(first.journal, 1, 10);
      await settle(first.journal.checkpoint(checkpointAt(10)));
      append(first.journal, 11, 15);
      await settle(first.journal.flush());
      await harness.crash();
      const { seqs, found, journal } = await load();
      expect(seqs).toBe('11-15');
      expect(found).toMatchObject({ seq: 10, hash: 'hash 10' });
      expect(Buffer.from(found?.data ?? []).toString()).toBe('state 10');
      append(journal, 16, 20);
      await settle(journal.checkpoint(checkpointAt(18)));
      await settle(journal.close());
      const last = await load();
      expect([last.seqs, last.found?.seq]).toEqual(['19-20', 18]);
    });

    test('a checkpoint from elsewhere may be ahead of the records', async () => {
      const first = await load();
      append(first.journal, 1, 10);
      await settle(first.journal.flush());
      await settle(first.journal.checkpoint(checkpointAt(100)));
      append(first.journal, 101, 105);
      await settle(first.journal.close());
      const { seqs, found } = await load();
      expect([seqs, found?.seq]).toEqual(['101-105', 100]);
    });

    test('many flushes and appends at once keep the order', async () => {
      const first = await load();
      const flushes: Promise<void>[] = [];
      for (let seq = 1; seq <= 200; seq++) {
        first.journal.append(record(seq));
        if (seq % 7 === 0) flushes.push(first.journal.flush());
      }
      await settle(Promise.all(flushes));
      await settle(first.journal.close());
      expect((await load()).seqs).toBe('1-200');
    });
  });
}
