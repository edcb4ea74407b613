import { expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import {
  type PlanOutcome,
  reconcilerMachine,
} from '../../../actors/manager/reconcile/reconciler.machine.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const nothing: PlanOutcome = { gone: false, idle: true };

/** A reconciler whose plans come to what the test says, and what it did. */
function start(plan: (at: number) => Promise<PlanOutcome>) {
  const clock = new VirtualClock();
  const plans: number[] = [];
  const heard: (readonly string[])[] = [];
  const input = {
    plan: () => {
      plans.push(clock.now());
      return plan(clock.now());
    },
    now: () => clock.now(),
    settleMs: { afterChange: 5, afterNothing: 5 },
    retryMs: { first: 10, last: 1_000 },
    onReasons: (reasons: readonly string[]) => heard.push(reasons),
  };
  const actor = createActor(reconcilerMachine, { clock, input });
  actor.start();
  const go = async (ms: number): Promise<void> => {
    await settled();
    for (let left = ms; left > 0; left -= 5) {
      clock.advance(5);
      await settled();
    }
  };
  return { actor, plans, heard, go };
}

test('a plan that fails is made again, ever more rarely, until one comes about', async () => {
  let fails = true;
  const { actor, plans, go } = start(() =>
    fails ? Promise.reject(new Error('planted')) : Promise.resolve(nothing),
  );
  await go(20_000);
  const pauses = plans.slice(1).map((at, i) => at - (plans[i] ?? 0));
  expect(pauses.slice(0, 3)).toEqual([10, 20, 40]);
  expect(pauses.at(-1)).toBe(1_000);
  fails = false;
  await go(1_000);
  const count = plans.length;
  await go(5_000);
  expect(plans).toHaveLength(count);
  actor.send({ type: 'dirty' });
  await settled();
  expect(plans).toHaveLength(count + 1);
  actor.stop();
});

test('what changes while a plan is made is planned once more, and a deadline is kept', async () => {
  const { actor, plans, go } = start((at) =>
    Promise.resolve(at < 100 ? { ...nothing, wakeAt: 100 } : nothing),
  );
  actor.send({ type: 'dirty' });
  actor.send({ type: 'dirty' });
  await go(1_000);
  expect(plans).toEqual([0, 5, 100]);
  actor.stop();
});

test('reasons are told when they are others than in the plan before; their numbers may change', async () => {
  let reasons: readonly string[] = ['the update is paused (1)'];
  const { actor, heard, go } = start(() => Promise.resolve({ ...nothing, reasons }));
  await go(50);
  reasons = ['the update is paused (2)'];
  actor.send({ type: 'dirty' });
  await go(50);
  expect(actor.getSnapshot().context.reasons).toEqual(reasons);
  reasons = [];
  actor.send({ type: 'dirty' });
  await go(50);
  expect(heard).toEqual([['the update is paused (1)'], []]);
  expect(actor.getSnapshot().context.reasons).toEqual([]);
  actor.stop();
});

test('what is gone ends its reconciler', async () => {
  const { actor, go } = start(() => Promise.resolve({ gone: true, idle: true }));
  await go(5);
  expect(actor.getSnapshot().status).toBe('done');
});
