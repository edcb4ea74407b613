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
