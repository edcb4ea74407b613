// One disk of three is rolled back, while others are off, behind or current. (On real hosts: test/cluster/rollback.test.ts.)

import { describe, expect, test } from '@jest/globals';
import { type Other, simulateRollback } from './handover/rollback.ts';

const cases: readonly (readonly [Other, Other])[] = [
  ['current', 'current'],
  ['current', 'behind'],
  ['current', 'off'],
  ['behind', 'off'],
  ['off', 'off'],
  ['behind', 'behind'],
];

describe.each(['all', 'store'] as const)('what is rolled back: %s', (part) => {
  test.each(cases)('the others are %s and %s', async (...others) => {
    const result = await simulateRollback({ seed: 1, part, others });
    expect(result.failure).toBeUndefined();
    expect(result.setAside).toBe(true);
    expect(result.acknowledged).toBeGreaterThan(20);
    // without a majority nothing was acknowledged
    if (String(others) !== 'behind,behind') expect(result.meanwhile).toBeGreaterThan(5);
  });
});

test('a planted bug is found: an older disk and one that is behind go on', async () => {
  const { failure } = await simulateRollback({
    seed: 1,
    part: 'all',
    others: ['behind', 'off'],
    unguarded: true,
  });
  expect(failure).toBeDefined();
  expect(String(failure)).toMatch(/acknowledged and lost|contradict|knows of record|follow/);
});
