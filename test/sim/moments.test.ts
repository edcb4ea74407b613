import { expect, jest, test } from '@jest/globals';
import { type Moment, simulateMoment, troubles } from './passage/moments.ts';

// Real time, against a machine that has other things to do.
jest.setTimeout(120_000);

const stepMs = 250;

/** Each operation with each host that may be lost in the middle of it; the last one is the one that it is about. */
const losses = (
  [
    ['join', 1],
    ['join', 2],
    ['join', 3],
    ['demote', 2],
    ['demote', 3],
    ['demote', 4],
    ['leave', 3],
    ['leave', 4],
  ] as const
).flatMap(([operation, managers]) =>
  Array.from({ length: managers + (operation === 'join' ? 1 : 0) }, (_, victim) => ({
    operation,
    managers,
    victim,
  })),
);

test.each(losses)('$operation with $managers managers, host $victim is lost', async (loss) => {
  const { operation, managers, victim } = loss;
  const calm = await simulateMoment({ seed: 1, operation, managers });
  expect(calm.failure).toBeUndefined();
  for (let step = 0; step * stepMs < calm.tookMs + stepMs; step++) {
    const trouble = troubles[(victim + step) % troubles.length] ?? 'kill';
    const moment: Moment = { seed: 1, ...loss, trouble, atMs: step * stepMs };
    const { failure } = await simulateMoment(moment);
    if (failure !== undefined) throw new Error(`${JSON.stringify(moment)}: ${failure.message}`);
  }
});
