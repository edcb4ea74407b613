import { describe, expect, jest, test } from '@jest/globals';
import { drawPassage, simulatePassage } from './passage/run.ts';

// Real time, against a machine that has other things to do.
jest.setTimeout(120_000);

const calm = { seed: 1, hosts: 3 } as const;

test('one manager becomes three, three become one, and three again', async () => {
  const { failure, acknowledged, generation } = await simulatePassage(calm);
  expect(failure).toBeUndefined();
  expect(generation).toBe(4);
  expect(acknowledged).toBeGreaterThan(40);
});

test('a machine loses its power before or behind any write to a disk', async () => {
  const { steps } = await simulatePassage(calm);
  expect(steps).toBeGreaterThan(20);
  for (let powerOffAt = 0; powerOffAt < 2 * steps; powerOffAt++) {
    const { failure, powerCuts } = await simulatePassage({ ...calm, powerOffAt });
    if (failure !== undefined) throw new Error(`step ${powerOffAt / 2}: ${failure.message}`);
    expect(powerCuts).toBe(1);
  }
});

describe('machines lose their power at random', () => {
  test.each([1, 2, 3, 4, 5, 193])('seed %i', async (seed) => {
    const { failure, acknowledged, powerCuts } = await simulatePassage(drawPassage(seed));
    expect(failure).toBeUndefined();
    expect(acknowledged).toBeGreaterThan(0);
    expect(powerCuts).toBeGreaterThan(0);
  });
});

test('a planted bug is found: a switch to another generation that is not synced', async () => {
  const { failure } = await simulatePassage({ ...calm, powerOffAt: 5, unsynced: true });
  expect(failure).toMatchObject({ name: 'Violation', rule: 'passage' });
});
