import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { LogRecord, StateLog } from '../../bus/ports.ts';

/** One log for a whole suite, and the means to trouble it. */
export interface LogHarness {
  /** A client of the log. */
  open(): Promise<StateLog>;
  /** Waits for a promise; simulated time passes meanwhile. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** A pause of the log's own time. */
  pause(ms: number): Promise<void>;
  /** Breaks the log's service in the middle of whatever goes on, and brings it back. */
  interrupt(): Promise<void>;
  close(): Promise<void>;
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const texts = (records: readonly LogRecord[]): readonly string[] =>
  records.map(({ data }) => Buffer.from(data).toString());

/** Writes a record at `expectedLast + 1` and finds out what became of it, by the rule of docs/state-log.md. */
export async function commit(
  log: StateLog,
  pause: LogHarness['pause'],
  expectedLast: number,
  data: Uint8Array,
): Promise<'mine' | 'other'> {
  for (;;) {
    const outcome = await log.append(expectedLast, data);
    if (outcome.kind === 'committed') return 'mine';
    const [found] = await log.read(expectedLast + 1, 1).catch(() => []);
    if (found?.seq === expectedLast + 1)
      return Buffer.compare(found.data, data) === 0 ? 'mine' : 'other';
    await pause(10);
  }
}

export function logContract(name: string, create: () => Promise<LogHarness>): void {
  describe(`state log: ${name}`, () => {
    let harness: LogHarness;
    let log: StateLog;
    beforeAll(async () => {
      harness = await create();
      log = await harness.open();
    });
    afterAll(() => harness.close());

    const pause = (ms: number): Promise<void> => harness.pause(ms);
    const settle = <T>(promise: Promise<T>): Promise<T> => harness.settle(promise);
    const end = async (): Promise<number> => (await settle(log.bounds())).last;

    test('begins empty', async () => {
      expect(await settle(log.bounds())).toEqual({ first: 1, last: 0 });
      expect(await settle(log.read(1, 10))).toEqual([]);
    });

    test('numbers records without gaps and gives them back', async () => {
      for (const [index, text] of ['a', 'b', 'c'].entries())
        expect(await settle(log.append(index, bytes(text)))).toEqual({
          kind: 'committed',
          seq: index + 1,
        });
      expect(await settle(log.bounds())).toEqual({ first: 1, last: 3 });
      const records = await settle(log.read(1, 10));
      expect(texts(records)).toEqual(['a', 'b', 'c']);
      expect(records.map(({ seq }) => seq)).toEqual([1, 2, 3]);
      expect(texts(await settle(log.read(2, 1)))).toEqual(['b']);
      expect(await settle(log.read(4, 10))).toEqual([]);
    });

    test('tells one record as its leader has it', async () => {
      const found = await settle(log.confirm(2));
      expect([found?.seq, found && Buffer.from(found.data).toString()]).toEqual([2, 'b']);
      expect(await settle(log.confirm(4))).toBeUndefined();
    });

    test('takes a record only behind the end that its writer has seen', async () => {
      const last = await end();
      for (const wrong of [0, last - 1, last + 1, last + 100])
        expect((await settle(log.append(wrong, bytes('x')))).kind).toBe('unknown');
      expect(await end()).toBe(last);
    });

    test('of two writers one wins, and the other reads what is there', async () => {
      const other = await harness.open();
      for (let round = 0; round < 20; round++) {
        const last = await end();
        const outcomes = await settle(
          Promise.all([
            commit(log, pause, last, bytes(`one ${round}`)),
            commit(other, pause, last, bytes(`two ${round}`)),
          ]),
        );
        expect([...outcomes].sort()).toEqual(['mine', 'other']);
        const winner = outcomes[0] === 'mine' ? 'one' : 'two';
        expect(texts(await settle(log.read(last + 1, 10)))).toEqual([`${winner} ${round}`]);
      }
    });

    test('tells every listener of what is committed, in order, until it unsubscribes', async () => {
      const other = await harness.open();
      const last = await end();
      const heard: string[] = [];
      const heardByOther: string[] = [];
      const stop = log.tail((record) => heard.push(`${record.seq} ${texts([record])[0]}`));
      const stopOther = other.tail(({ seq }) => heardByOther.push(String(seq)));
      await settle(other.bounds());
      for (let i = 0; i < 5; i++) await settle(log.append(last + i, bytes(`t${i}`)));
      await settle(Promise.all([log.bounds(), other.bounds()]));
      expect(heard).toEqual([0, 1, 2, 3, 4].map((i) => `${last + 1 + i} t${i}`));
      expect(heardByOther).toEqual([1, 2, 3, 4, 5].map((i) => String(last + i)));
      stop();
      stopOther();
      await settle(log.append(last + 5, bytes('unheard')));
      await settle(Promise.all([log.bounds(), other.bounds()]));
      expect(heard).toHaveLength(5);
      expect(heardByOther).toHaveLength(5);
    });

    test('carries records of several MB', async () => {
      const last = await end();
      const data = new Uint8Array(3 * 1024 * 1024).map((_, index) => (index * 31) & 255);
      expect(await settle(log.append(last, data))).toEqual({ kind: 'committed', seq: last + 1 });
      const [record] = await settle(log.read(last + 1, 1));
      expect(record !== undefined && Buffer.compare(record.data, data)).toBe(0);
    });

    test('reads no more than asked for, and as much as there is in a few calls', async () => {
      const last = await end();
      for (let i = 0; i < 50; i++) await settle(log.append(last + i, bytes(`r${i}`)));
      expect(await settle(log.read(last + 1, 7))).toHaveLength(7);
      const all: LogRecord[] = [];
      while (all.length < 50) all.push(...(await settle(log.read(last + 1 + all.length, 20))));
      expect(texts(all)).toEqual(Array.from({ length: 50 }, (_, i) => `r${i}`));
    });

    test('forgets its beginning on purge; reads across it begin at what is left', async () => {
      const last = await end();
      await settle(log.purge(0));
      expect((await settle(log.bounds())).first).toBe(1);
      await settle(log.purge(last - 2));
      expect(await settle(log.bounds())).toEqual({ first: last - 1, last });
      expect((await settle(log.read(1, 10))).map(({ seq }) => seq)).toEqual([last - 1, last]);
      await settle(log.purge(3));
      expect(await settle(log.bounds())).toEqual({ first: last - 1, last });
    });

    test('an emptied log keeps its end, and a purge beyond the end does not move it', async () => {
      const last = await end();
      await settle(log.purge(last + 1_000));
      expect(await settle(log.bounds())).toEqual({ first: last + 1, last });
      expect(await settle(log.read(1, 10))).toEqual([]);
      expect((await settle(log.append(0, bytes('x')))).kind).toBe('unknown');
      expect(await settle(log.append(last, bytes('again')))).toEqual({
        kind: 'committed',
        seq: last + 1,
      });
    });

    test('what became of an append through an interruption is found by reading', async () => {
      const last = await end();
      const written: string[] = [];
      let stop = false;
      const writing = (async () => {
        for (let i = 0; !stop; i++) {
          const outcome = await commit(log, pause, last + i, bytes(`w${i}`));
          expect(outcome).toBe('mine');
          written.push(`w${i}`);
        }
      })();
      await settle(harness.interrupt());
      stop = true;
      await settle(writing);
      const found: string[] = [];
      while (found.length < written.length)
        found.push(...texts(await settle(log.read(last + 1 + found.length, 500))));
      expect(found).toEqual(written);
      expect(await end()).toBe(last + written.length);
    });
  });
}
