import { expect, test } from '@jest/globals';
import { checkName, newServiceName } from '../../../domain/spec/name.ts';
import { adjectives, surnames } from '../../../domain/spec/words.ts';
import { faultOf } from './helpers.ts';

test.each(['a', 'A', '1', 'a_b', 'a__--b', 'x'.repeat(63)])('%s is a name', (name) => {
  expect(faultOf(() => checkName(name))).toBe('no fault');
});

test.each(['a-', '_a', 'a..b', 'a b', 'é', '-', `${'a'.repeat(100_000)}!`])(
  '%s is none',
  (name) => {
    expect(faultOf(() => checkName(name))).toBe(
      'InvalidArgument: name must be valid as a DNS name component',
    );
  },
);

test('an empty name', () => {
  expect(faultOf(() => checkName(''))).toBe('InvalidArgument: meta: name must be provided');
});

test('all words make names, none twice', () => {
  for (const words of [adjectives, surnames]) {
    expect(words.filter((word) => !/^[a-z]+$/.test(word))).toStrictEqual([]);
    expect(new Set(words).size).toBe(words.length);
  }
});

test('drawn names are free and valid', () => {
  expect(
    newServiceName(
      () => 0,
      () => false,
    ),
  ).toBe('able_abel');
  expect(
    newServiceName(
      () => 0.999_999,
      () => false,
    ),
  ).toBe('zesty_zuse');
  const draws = [0, 0, 0.5, 0.5];
  const second = newServiceName(
    () => draws.shift() ?? 0,
    (name) => name === 'able_abel',
  );
  expect(second).not.toBe('able_abel');
  const crowded = newServiceName(
    () => 0.5,
    () => true,
  );
  expect(crowded).toMatch(/^[a-z]+_[a-z]+\d+$/);
  expect(faultOf(() => checkName(crowded))).toBe('no fault');
});
