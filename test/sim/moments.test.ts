import { expect, test } from '@jest/globals';
import { type Moment, simulateMoment, troubles } from './handover/moments.ts';

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

/** A user thinks better of it, at each moment on the way; the last host is the one that it is about. */
const turns = (
  [
    ['return', 2],
    ['return', 3],
    ['return', 4],
    ['withdraw', 1],
    ['withdraw', 3],
  ] as const
).flatMap(([operation, managers]) => [{ operation, managers }]);

const turnLosses = turns
  .filter(({ managers }) => managers < 4)
  .flatMap((turn) =>
    Array.from(
      { length: turn.managers + (turn.operation === 'withdraw' ? 1 : 0) },
      (_, victim) => ({
        ...turn,
        victim,
      }),
    ),
  );

test.each(turnLosses)(
  '$operation with $managers managers, host $victim is lost on the way',
  async (loss) => {
    for (let step = 0; step < 12; step++) {
      const trouble = troubles[(loss.victim + step) % troubles.length] ?? 'kill';
      const turnAtMs = step * 200;
      const atMs = Math.max(0, turnAtMs + (((step * 7) % 5) - 1) * 100);
      const moment: Moment = { seed: 1, ...loss, trouble, turnAtMs, atMs };
      const { failure } = await simulateMoment(moment);
      if (failure !== undefined) throw new Error(`${JSON.stringify(moment)}: ${failure.message}`);
    }
  },
);

test.each(turns)('$operation with $managers managers, at any moment', async (turn) => {
  const whole = turn.operation === 'return' ? 'demote' : 'join';
  const calm = await simulateMoment({ ...turn, seed: 1, operation: whole });
  expect(calm.failure).toBeUndefined();
  for (let turnAtMs = 0; turnAtMs < calm.tookMs + 2 * stepMs; turnAtMs += 50) {
    const moment: Moment = { seed: 1, ...turn, turnAtMs };
    const { failure } = await simulateMoment(moment);
    if (failure !== undefined) throw new Error(`${JSON.stringify(moment)}: ${failure.message}`);
  }
});
