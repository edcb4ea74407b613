import { expect, test } from '@jest/globals';
import { type Format, Incompatible, upgraded } from '../../../domain/format/format.ts';

const letter: Format = {
  what: 'letter',
  version: 3,
  upgrades: {
    1: (old) => ('text' in old ? { words: String(old.text).split(' ') } : {}),
    2: () => ({ isSigned: false }),
  },
};

test('an older version goes through the steps of all between it and the present one', () => {
  expect(upgraded(letter, 1, { text: 'a b' })).toMatchObject({
    words: ['a', 'b'],
    isSigned: false,
  });
  expect(upgraded(letter, 2, { words: [] })).toEqual({ words: [], isSigned: false });
  expect(upgraded(letter, 3, { words: [] })).toEqual({ words: [] });
});

test('one that is newer, or older than any, is refused: what was found, what can be read, what to install', () => {
  for (const version of [0, 4]) expect(() => upgraded(letter, version, {})).toThrow(Incompatible);
  expect(() => upgraded(letter, 4, {})).toThrow(
    'the letter is of version 4, and this natswarm reads version 1 to 3: install a natswarm that is at least as new',
  );
});
