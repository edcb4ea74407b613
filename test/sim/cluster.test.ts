import { describe, expect, jest, test } from '@jest/globals';
import { drawOptions } from './options.ts';
import { plantedBugs } from './planted.ts';
import { simulate } from './run.ts';

const bounds = { safetyMs: 90_000 };
// Real time, against a machine that has other things to do; a seed takes about a second.
jest.setTimeout(60_000);

describe('a simulated cluster keeps its rules and converges', () => {
  // Chosen for what they draw: many nodes, one node, every kind of fault, a busy log, much loss.
  test.each([3, 6, 17, 23, 58, 205, 240, 364])('seed %i', async (seed) => {
    const result = await simulate(drawOptions(seed, bounds));
    if (result.failure !== undefined) throw result.failure;
    expect(result.acknowledged).toBeGreaterThan(0);
    expect(result.faults).toBeGreaterThan(0);
  });
});

test('a seed runs the same way every time', async () => {
  const [first, second] = [
    await simulate(drawOptions(12, bounds)),
    await simulate(drawOptions(12, bounds)),
  ];
  expect(second).toEqual(first);
});

describe('a planted bug is found', () => {
  test.each([
    ['acknowledge-before-commit', 'acknowledged'],
    ['start-twice', 'started'],
  ])('%s', async (bug, rule) => {
    const { failure } = await simulate(drawOptions(12, bounds), plantedBugs[bug]);
    expect(failure).toMatchObject({ name: 'Violation', rule });
  });
});
