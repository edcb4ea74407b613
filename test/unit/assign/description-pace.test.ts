import { expect, test } from '@jest/globals';
import { DescriptionPace } from '../../../domain/assign/description-pace.ts';
import { limits } from '../../../domain/limits.ts';
import type { NodeDescription } from '../../../domain/model/objects.ts';

const describe = (hostname: string, length = 0): NodeDescription => ({
  hostname,
  platform: { architecture: 'x86_64', os: 'linux' },
  resources: { nanoCpus: 1, memoryBytes: 1 },
  engine: { version: '28', labels: { fill: 'x'.repeat(length) }, plugins: [] },
});
const giant = limits.descriptionLengthMax - 1_000;

/** How many changes of so many bytes are taken, one every `everyMs`. */
function taken(
  pace: DescriptionPace,
  length: number,
  count: number,
  everyMs: number,
  from = 0,
): number {
  let known = describe('first');
  let changes = 0;
  for (let i = 0; i < count; i++) {
    const said = describe(`h${from + i}`, length);
    const { description } = pace.take('n', said, known, from + i * everyMs);
    if (description !== said) continue;
    known = said;
    changes += 1;
  }
  return changes;
}

test('a burst of changes is taken, then about one giant a minute', () => {
  const pace = new DescriptionPace();
  const bytes = JSON.stringify(describe('h1', giant)).length;
  const { descriptionChangeBytesBurst: burst, descriptionChangeBytesPerS: perS } = limits;
  expect(taken(pace, giant, 1_000, 0)).toBe(Math.floor(burst / bytes));
  const minutes = 30;
  const later = taken(pace, giant, minutes * 60, 1_000, 1);
  expect(later / ((minutes * 60 * perS) / bytes)).toBeCloseTo(1, 1);
});

test('what nodes change in the course of things never waits', () => {
  const pace = new DescriptionPace();
  // a restart each second says the same; a rotation of the root every three changes the certificate
  const known = describe('same', 3_000);
  for (let i = 0; i < 10_000; i++)
    expect(pace.take('same', describe('same', 3_000), known, i)).toMatchObject({ held: false });
  expect(taken(pace, 2_500, 200, 3_000)).toBe(200);
});

test('what else a node changes comes out of the same purse', () => {
  const pace = new DescriptionPace();
  const { descriptionChangeBytesBurst: burst, descriptionChangeBytesMin: least } = limits;
  let paid = 0;
  while (pace.pay('n', 10, 0)) paid += 1;
  expect(paid).toBe(burst / least);
  const known = describe('known');
  expect(pace.take('n', describe('a'), known, 0).description).toBe(known);
  expect(pace.pay('other', 10, 0)).toBe(true);
  // one change every two seconds, for ever
  expect([1_000, 2_000, 3_000, 4_000].map((now) => pace.pay('n', 10, now))).toEqual([
    false,
    true,
    false,
    true,
  ]);
});

test('the newest of what waits is taken when the node can pay for it, and told once', () => {
  const pace = new DescriptionPace();
  taken(pace, giant, 100, 0);
  const known = describe('known');
  pace.forget('other');
  expect(pace.take('n', describe('a', giant), known, 1)).toEqual({
    description: known,
    held: false,
  });
  expect(pace.take('n', describe('b', giant), known, 2).description).toBe(known);
  expect(pace.due('n', 3)).toBeUndefined();
  expect(pace.due('n', 70_000)?.hostname).toBe('b');
  const said = pace.due('n', 70_000) as NodeDescription;
  expect(pace.take('n', said, known, 70_000)).toEqual({ description: said, held: false });
  expect(pace.due('n', 1_000_000)).toBeUndefined();
});

test('the first that has to wait is told; one that changes back waits no more; nodes are apart', () => {
  const pace = new DescriptionPace();
  const known = describe('known');
  const held = Array.from(
    { length: 30 },
    () => pace.take('n', describe('a', giant), known, 0).held,
  );
  expect(held.filter(Boolean)).toHaveLength(1);
  expect(pace.take('other', describe('a', giant), known, 0).description.hostname).toBe('a');
  pace.take('n', known, known, 0);
  expect(pace.due('n', 1_000_000)).toBeUndefined();
  expect(pace.take('n', describe('first', giant), undefined, 0).description.hostname).toBe('first');
});
