import { expect, test } from '@jest/globals';
import { Repeats, Throttle } from '../../../cmd/throttle.ts';

const make = (): Throttle => new Throttle({ burst: 3, perS: 1, kindsMax: 2 });

test('a burst passes, then one a second, and it is told how many were held back', () => {
  const throttle = make();
  const pass = (atMs: number): number | undefined => throttle.pass('a', atMs);
  expect([pass(0), pass(0), pass(0), pass(0), pass(500)]).toEqual([0, 0, 0, undefined, undefined]);
  expect([pass(1_000), pass(1_100), pass(2_000)]).toEqual([2, undefined, 1]);
  expect([pass(60_000), pass(60_000), pass(60_000), pass(60_000)]).toEqual([0, 0, 0, undefined]);
});

test('kinds have limits of their own; too many of them share one', () => {
  const throttle = make();
  for (const kind of ['a', 'b']) for (let i = 0; i < 3; i++) throttle.pass(kind, 0);
  expect(throttle.pass('a', 0)).toBeUndefined();
  const others = Array.from({ length: 1_000 }, (_, n) => throttle.pass(`other ${n}`, 0));
  expect(others.filter((held) => held !== undefined)).toHaveLength(3);
});

test('tries in vain are told ever more rarely, with how many were not told', () => {
  const repeats = new Repeats();
  const told: string[] = [];
  for (let ms = 0; ms < 600_000; ms += 100) {
    const held = repeats.pass('bus', ms);
    if (held !== undefined) told.push(`${ms / 1_000} ${held}`);
  }
  expect(told.slice(0, 4)).toEqual(['0 0', '1 9', '3 19', '7 39']);
  expect(told.length).toBeLessThan(18);
  expect(told.at(-1)?.endsWith(' 599')).toBe(true);
  expect(repeats.end('bus')).toBeGreaterThan(0);
  expect(repeats.end('bus')).toBeUndefined();
  expect(repeats.pass('bus', 600_000)).toBe(0);
});

test('what is rare is told each time; each thing has a series, up to a bound', () => {
  const repeats = new Repeats();
  expect([0, 200_000, 400_000].map((ms) => repeats.pass('a', ms))).toEqual([0, 0, 0]);
  const told = Array.from({ length: 1_000 }, (_, n) => repeats.pass(`${n}`, 0));
  expect(told.filter((held) => held !== undefined)).toHaveLength(256);
});
