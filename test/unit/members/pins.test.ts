import { expect, test } from '@jest/globals';
import { limits } from '../../../domain/limits.ts';
import { type PinnedKeys, pinsAfter } from '../../../domain/members/pins.ts';

const start = 1_700_000_000_000;
const hour = limits.formerKeyKeptMs;

/** The keys of a node whose first one is `k0`, after each of these has been asked for while the other was in use. */
function after(asks: readonly (readonly [asked: string, held: string | undefined, at: number])[]) {
  let keys: PinnedKeys = { pins: ['k0'] };
  for (const [asked, held, at] of asks) keys = { ...keys, ...pinsAfter(keys, asked, held, at) };
  return keys.pins;
}

test('the first key of a manager: what it held as a worker is nothing to other servers', () => {
  expect(pinsAfter({}, 'k1', 'worker', start)?.pins).toEqual(['k1']);
});

test.each([1, 2, 10])(
  'a renewal that is tried %i times pins one key beside that in use',
  (tries) => {
    expect(after(Array(tries).fill(['k1', 'k0', start]) as never)).toEqual(['k0', 'k1']);
  },
);

test('a try that changes nothing writes nothing, until the time of it would be forgotten', () => {
  const keys = { pins: ['k0'], ...pinsAfter({ pins: ['k0'] }, 'k1', 'k0', start) };
  expect(pinsAfter(keys, 'k1', 'k0', start + hour / 2 - 1)).toBeUndefined();
  expect(pinsAfter(keys, 'k1', 'k0', start + hour / 2)?.pins).toEqual(['k0', 'k1']);
});

test.each([2, 13, 14, 50])('other keys asked for %i times never drop the one in use', (tries) => {
  const pins = after(Array.from({ length: tries }, (_, i) => [`k${i + 1}`, 'k0', start + i]));
  expect(pins?.slice(-2)).toEqual(['k0', `k${tries}`]);
  expect(pins?.length).toBe(Math.min(tries + 1, limits.pinnedKeysMax));
});

test('renewals in a row keep the keys of before, with which connections were made; an hour later they go', () => {
  const row = Array.from(
    { length: 6 },
    (_, i) => [`k${i + 1}`, `k${i}`, start + i * 1_000] as const,
  );
  expect(after(row)).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6']);
  expect(after([...row, ['k7', 'k6', start + 2 * hour]])).toEqual(['k6', 'k7']);
});

test('a request that comes late, after another renewal has begun, drops neither of its keys', () => {
  const pins = after([
    ['k1', 'k0', start],
    ['k2', 'k1', start + 1],
    ['k1', 'k0', start + 2],
  ]);
  expect(pins).toEqual(['k2', 'k0', 'k1']);
});

test('a key in use that was pinned no more is pinned again', () => {
  expect(pinsAfter({ pins: ['a', 'b'] }, 'k1', 'k0', start)?.pins?.slice(-2)).toEqual(['k0', 'k1']);
  expect(pinsAfter({ pins: ['a', 'b'] }, 'k0', undefined, start)?.pins?.slice(-1)).toEqual(['k0']);
});
