import { expect, test } from '@jest/globals';
import { Gate } from '../../../actors/agent/gate.ts';
import { settle } from '../../support/settle.ts';

const { signal: forever } = new AbortController();

test('no more than its size run at once, the others in their order', async () => {
  const gate = new Gate(2);
  const ends: (() => void)[] = [];
  const begun: number[] = [];
  const work = (n: number) =>
    gate.run(() => {
      begun.push(n);
      return new Promise<number>((resolve) => ends.push(() => resolve(n)));
    }, forever);
  const all = [1, 2, 3, 4].map(work);
  await settle();
  expect(begun).toEqual([1, 2]);
  ends[1]?.();
  await settle();
  expect(begun).toEqual([1, 2, 3]);
  ends[0]?.();
  ends[2]?.();
  await settle();
  ends[3]?.();
  expect(await Promise.all(all)).toEqual([1, 2, 3, 4]);
});

test('a failure gives the place back', async () => {
  const gate = new Gate(1);
  await expect(gate.run(() => Promise.reject(new Error('x')), forever)).rejects.toThrow('x');
  expect(await gate.run(async () => 1, forever)).toBe(1);
});

test('who leaves the queue does not run and holds nobody up', async () => {
  const gate = new Gate(1);
  let end: () => void = () => undefined;
  const first = gate.run(() => new Promise<void>((resolve) => (end = resolve)), forever);
  const aborted = new AbortController();
  const second = gate.run(() => Promise.reject(new Error('ran')), aborted.signal);
  const third = gate.run(async () => 3, forever);
  aborted.abort();
  await expect(second).rejects.toMatchObject({ message: 'aborted', retryable: true });
  await expect(gate.run(async () => 4, AbortSignal.abort())).rejects.toThrow('aborted');
  end();
  await first;
  expect(await third).toBe(3);
});
