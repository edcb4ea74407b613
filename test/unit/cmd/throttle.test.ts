import { expect, test } from '@jest/globals';
import { Throttle } from '../../../cmd/throttle.ts';

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
