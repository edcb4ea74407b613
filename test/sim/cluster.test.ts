import { describe, expect, test } from '@jest/globals';
import { drawOptions, operationKinds } from './options.ts';
import { plantedBugs } from './planted.ts';
import { simulate } from './run.ts';

const bounds = { safetyMs: 90_000 };

describe('a simulated cluster keeps its rules and converges', () => {
  // Chosen for what they draw: many nodes, one node, every kind of fault, a busy log, much loss;
  // the last three: histories, loads of nodes and specs near their limits.
  test.each([3, 6, 17, 23, 58, 205, 240, 364, 204, 268, 606])('seed %i', async (seed) => {
    const result = await simulate(drawOptions(seed, bounds));
    if (result.failure !== undefined) throw result.failure;
    expect(result.acknowledged).toBeGreaterThan(0);
    expect(result.faults).toBeGreaterThan(0);
  });
});

test('each operation is done, and its requests and answers are lost and late', async () => {
  const options = drawOptions(3, { safetyMs: 900_000, managers: 3, faults: [] });
  const { failure, operations, mishaps } = await simulate({
    ...options,
    operations: Object.fromEntries(
      operationKinds.map((kind) => [kind, 1]),
    ) as typeof options.operations,
    operationEveryMs: 500,
    mishapRate: 0.3,
    commandEveryMs: 60_000,
    burstRate: 0,
    servicesMax: 1,
    nodes: 5,
  });
  if (failure !== undefined) throw failure;
  expect(Object.keys(operations).toSorted()).toEqual(operationKinds.toSorted());
  const kinds = ['cluster.update', 'node.pin', 'node.update', 'renewal'].flatMap((operation) =>
    ['request', 'answer'].flatMap((way) => [
      `${operation} ${way} lost`,
      `${operation} ${way} late`,
    ]),
  );
  expect(kinds.filter((kind) => (mishaps[kind] ?? 0) === 0)).toEqual([]);
});

test('a seed runs the same way every time', async () => {
  const [first, second] = [
    await simulate(drawOptions(12, bounds)),
    await simulate(drawOptions(12, bounds)),
  ];
  expect(second).toEqual(first);
});

describe('a planted bug is found', () => {
  // Each by one of its seeds: a change elsewhere moves the course of a run, and with it the one chance that some bugs have.
  test.each([
    ['acknowledge-before-commit', 'acknowledged', { seeds: [12, 13, 14] }],
    ['no-cas', 'log', { seeds: [12, 13, 14], managers: 3 }],
    // see stale-leader.test.ts for what it takes
    ['no-epoch-check', 'epoch', { seeds: [0, 2005, 1038], managers: 3, faults: ['staleLeader'] }],
    ['start-twice', 'started', { seeds: [12, 13, 14] }],
    ['resurrected-task', 'advance', { seeds: [4, 5, 6], managers: 3 }],
    ['dropped-key', 'keys', { seeds: [12, 13, 14], managers: 3 }],
    ['dropped-pin', 'pins', { seeds: [12, 13, 14], managers: 3 }],
    ['needless-replacement', 'reason', { seeds: [14, 15, 16], managers: 3 }],
    [
      'engine-unnoticed',
      'engine',
      { seeds: [13, 11, 10], safetyMs: 150_000, faults: ['engineLost'] },
    ],
  ])('%s', async (bug, rule, { seeds, ...drawn }) => {
    for (const seed of seeds) {
      const drawnOptions = drawOptions(seed, { ...bounds, ...drawn });
      const { failure } = await simulate(drawnOptions, plantedBugs[bug]);
      if (failure === undefined) continue;
      expect(failure).toMatchObject({ name: 'Violation', rule });
      return;
    }
    throw new Error(`${bug} is not found by seeds ${seeds.join(', ')}`);
  });
});
