import { describe, expect, test } from '@jest/globals';
import { NewestFirst } from '../../../bus/nats/newest-first.ts';
import { Pace } from '../../../bus/nats/pace.ts';

describe('the pace of attempts to connect', () => {
  const paceOf = (own: boolean) => {
    const clock = { now: 0 };
    const pace = new Pace(
      own,
      () => clock.now,
      () => 0.5,
    );
    /** An attempt that fails after `tookMs`; answers the pause before the next. */
    const failAfter = (tookMs: number): number => {
      clock.now += tookMs;
      const wait = pace.next();
      clock.now += wait;
      return wait;
    };
    return { pace, failAfter };
  };

  test('stays short while attempts fail at once', () => {
    const { pace, failAfter } = paceOf(false);
    pace.start();
    for (let i = 0; i < 10; i++) expect(failAfter(2)).toBe(150);
  });

  test('gets slower with slow attempts, and short again with the first quick one', () => {
    const { pace, failAfter } = paceOf(false);
    pace.start();
    expect([1, 2, 3, 4, 5].map(() => failAfter(2_000))).toEqual([550, 2_050, 5_050, 5_050, 5_050]);
    expect(failAfter(5)).toBe(150);
    expect(failAfter(2_000)).toBe(550);
    pace.reset();
    expect(failAfter(60_000)).toBe(150);
  });

  test("the daemon's own connections come first", () => {
    const { pace, failAfter } = paceOf(true);
    pace.start();
    expect([failAfter(1), failAfter(5_000)]).toEqual([10, 10]);
  });
});

describe('newest first', () => {
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test('handles everything, the newest before the older', async () => {
    const handled: number[] = [];
    const queue = new NewestFirst<number>((item) => handled.push(item), {
      itemsMax: 10,
      ageMsMax: 1_000,
    });
    for (const item of [1, 2, 3]) queue.add(item);
    expect(handled).toEqual([]);
    await turn();
    expect(handled).toEqual([3, 2, 1]);
    queue.add(4);
    await turn();
    expect(handled).toEqual([3, 2, 1, 4]);
  });

  test('drops what is too much, and what is too old', async () => {
    const handled: number[] = [];
    const busyMs = 12;
    const queue = new NewestFirst<number>(
      (item) => {
        handled.push(item);
        for (const end = performance.now() + busyMs; performance.now() < end; );
      },
      { itemsMax: 5, ageMsMax: 2.5 * busyMs },
    );
    for (let item = 1; item <= 8; item++) queue.add(item);
    for (let i = 0; i < 10; i++) await turn();
    expect(handled.length).toBeGreaterThan(0);
    expect(handled).toEqual([8, 7, 6, 5, 4].slice(0, handled.length));
    expect(handled.length).toBeLessThan(5);
  });
});
