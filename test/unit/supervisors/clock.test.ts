import { expect, test } from '@jest/globals';
import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { pause, systemClock, timeoutSignal } from '../../../supervisors/clock.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settle } from '../../support/settle.ts';

test('the system clock fires, and not what was cleared', async () => {
  const before = systemClock.now();
  const fired = await new Promise<string>((resolve) => {
    systemClock.clearTimeout(systemClock.setTimeout(() => resolve('cleared'), 1));
    systemClock.setTimeout(() => resolve('kept'), 5);
  });
  expect(fired).toBe('kept');
  expect(systemClock.now() - before).toBeGreaterThanOrEqual(4);
});

test('the system clock takes times beyond what Node takes', async () => {
  let fired = false;
  const timer = systemClock.setTimeout(() => (fired = true), 2 ** 40);
  await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 5));
  systemClock.clearTimeout(timer);
  expect(fired).toBe(false);
});

test('the virtual clock runs chained timers one deadline at a time', () => {
  const clock = new VirtualClock();
  const at: number[] = [];
  const again = (): void => {
    at.push(clock.now());
    if (at.length < 5) clock.setTimeout(again, 100);
  };
  clock.setTimeout(again, 100);
  clock.advance(1_000);
  expect(at).toEqual([100, 200, 300, 400, 500]);
  expect(clock.now()).toBe(1_000);
});

test('the virtual clock fires by time, then by age, and skips what was cleared', () => {
  const clock = new VirtualClock();
  const fired: string[] = [];
  const timers = ['a5', 'b3', 'c5', 'd1', 'e3'].map((name) =>
    clock.setTimeout(() => fired.push(name), Number(name[1])),
  );
  clock.clearTimeout(timers[1] as number);
  clock.advance(10);
  expect(fired).toEqual(['d1', 'e3', 'a5', 'c5']);
});

test('a pause ends with its time or its scope, and leaves no timer', async () => {
  const clock = new VirtualClock();
  const scope = new AbortController();
  const ended: string[] = [];
  void pause(clock, 10, scope.signal).then(() => ended.push('short'));
  void pause(clock, 1_000, scope.signal).then(() => ended.push('long'));
  clock.advance(10);
  await settle();
  expect(ended).toEqual(['short']);
  scope.abort();
  await settle();
  expect(ended).toEqual(['short', 'long']);
  expect(clock.step()).toBe(false);
  await pause(clock, 1_000, scope.signal);
});

test('a timeout that nothing but AbortSignal.any knows of fires after a garbage collection too', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const scope = new AbortController();
  let reason: unknown;
  AbortSignal.any([scope.signal, timeoutSignal(50)]).addEventListener('abort', ({ target }) => {
    ({ reason } = target as AbortSignal);
  });
  await pause(systemClock, 1, scope.signal);
  collect();
  await pause(systemClock, 500, scope.signal);
  expect(reason).toMatchObject({ name: 'TimeoutError' });
});
