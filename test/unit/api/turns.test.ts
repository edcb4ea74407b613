import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Turns } from '../../../api/turns.ts';

test('of many that ask at once, one begins in each turn of the event loop, in their order', async () => {
  const turns = new Turns();
  const begun: number[] = [];
  for (let i = 0; i < 1_000; i++) void turns.next().then(() => begun.push(i));
  await nextTurn();
  const before = begun.length;
  await nextTurn();
  expect(begun.length - before).toBe(1);
  await turns.next();
  expect(begun).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
});

test('a turn that took long is followed by a rest of so many times its length', async () => {
  const turns = new Turns(5);
  await turns.next();
  const begun = performance.now();
  while (performance.now() - begun < 10);
  const took = performance.now() - begun;
  await turns.next();
  // timers count whole milliseconds
  expect(performance.now() - begun).toBeGreaterThan(took + 5 * took - 2);
});

test('of those that have given up none takes a turn', async () => {
  const turns = new Turns();
  let isBegun = false;
  for (let i = 0; i < 1_000; i++) void turns.next(AbortSignal.abort());
  void turns.next().then(() => (isBegun = true));
  await nextTurn();
  await nextTurn();
  expect(isBegun).toBe(true);
});
