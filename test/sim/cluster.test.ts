import { describe, expect, jest, test } from '@jest/globals';
import { drawOptions } from './options.ts';
import { plantedBugs } from './planted.ts';
import { simulate } from './run.ts';

const bounds = { safetyMs: 90_000 };
// Real time, against a machine that has other things to do; a seed takes about a second.
jest.setTimeout(60_000);

describe('a simulated cluster keeps its rules and converges', () => {
  // Chosen for what they draw: many nodes, one node, every kind of fault, a busy log, much loss;
  // the last three: histories, loads of nodes and specs near their limits.
  test.each([3, 6, 17, 23, 58, 205, 240, 364, 158, 237, 46])('seed %i', async (seed) => {
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
    ['acknowledge-before-commit', 'acknowledged', { seed: 12 }],
    ['no-cas', 'log', { seed: 12, managers: 3 }],
    // see stale-leader.test.ts for what it takes
    ['no-epoch-check', 'epoch', { seed: 1117, managers: 3, faults: ['staleLeader'] }],
    ['start-twice', 'started', { seed: 12 }],
    ['resurrected-task', 'advance', { seed: 4, managers: 3 }],
    ['engine-unnoticed', 'engine', { seed: 13, safetyMs: 150_000, faults: ['engineLost'] }],
  ])('%s', async (bug, rule, { seed, ...drawn }) => {
    const { failure } = await simulate(
      drawOptions(seed, { ...bounds, ...drawn }),
      plantedBugs[bug],
    );
    expect(failure).toMatchObject({ name: 'Violation', rule });
  });
});
