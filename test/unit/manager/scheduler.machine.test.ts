import { expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import { schedulerMachine } from '../../../actors/manager/scheduler.machine.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a pass that fails is made again, ever more rarely, until one comes about', async () => {
  const clock = new VirtualClock();
  let fails = true;
  const passes: number[] = [];
  const pass = (): Promise<void> => {
    passes.push(clock.now());
    return fails ? Promise.reject(new Error('planted')) : Promise.resolve();
  };
  const { signal: scope } = new AbortController();
  const actor = createActor(schedulerMachine, { clock, input: { scope, pass, settleMs: 5 } });
  actor.start();
  const go = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 5) {
      clock.advance(5);
      await settled();
    }
  };
  await settled();
  await go(20_000);
  const pauses = passes.slice(1).map((at, i) => at - (passes[i] ?? 0));
  expect(pauses.slice(0, 3)).toEqual([10, 20, 40]);
  expect(pauses.at(-1)).toBe(1_000);
  fails = false;
  await go(1_000);
  const count = passes.length;
  await go(5_000);
  expect(passes).toHaveLength(count);
  actor.send({ type: 'dirty' });
  await settled();
  expect(passes).toHaveLength(count + 1);
  actor.stop();
});
