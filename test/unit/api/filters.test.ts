import { expect, test } from '@jest/globals';
import { Filters } from '../../../api/filters.ts';

const both = (fields: Record<string, string[]>): Filters[] => [
  Filters.parse(JSON.stringify(fields)),
  Filters.parse(
    JSON.stringify(
      Object.fromEntries(
        Object.entries(fields).map(([key, values]) => [
          key,
          Object.fromEntries(values.map((value) => [value, true])),
        ]),
      ),
    ),
  ),
];

test('both forms are read; several values are alternatives', () => {
  for (const filters of both({ name: ['web', 'db'], mode: ['global'] })) {
    expect(filters.prefix('name', 'webfront')).toBe(true);
    expect(filters.prefix('name', 'dbx')).toBe(true);
    expect(filters.prefix('name', 'xweb')).toBe(false);
    expect(filters.exact('mode', 'global')).toBe(true);
    expect(filters.exact('mode', 'replicated')).toBe(false);
    expect(filters.exact('other', 'anything')).toBe(true);
    expect(filters.has('mode')).toBe(true);
    expect(filters.get('name')).toEqual(['web', 'db']);
  }
});

test('labels must all be there; the last value of a key counts', () => {
  const match = (wanted: string[], labels: Record<string, string>): boolean =>
    Filters.parse(JSON.stringify({ label: wanted })).labels('label', labels);
  expect(match(['a', 'b=2'], { a: '1', b: '2' })).toBe(true);
  expect(match(['a', 'b=3'], { a: '1', b: '2' })).toBe(false);
  expect(match(['a=0', 'a=1'], { a: '1' })).toBe(true);
  expect(match(['a='], { a: '1' })).toBe(true);
  expect(match(['toString'], {})).toBe(false);
  expect(match([], {})).toBe(true);
});

test.each([
  'abc',
  '[]',
  '5',
  '{"a":1}',
  '{"a":{"b":1}}',
  '{"a":[1]}',
  '{"a":{"b":true},"c":["d"]}',
])('%s is no filter', (text) => {
  expect(() => Filters.parse(text)).toThrow(/^invalid filter$/);
});

test('nothing, null and empty values filter nothing', () => {
  expect(Filters.parse('').exact('a', 'x')).toBe(true);
  expect(Filters.parse('null').exact('a', 'x')).toBe(true);
  expect(Filters.parse('{"a":null}').exact('a', 'x')).toBe(true);
  expect(Filters.parse('{"a":{}}').prefix('a', 'x')).toBe(true);
});

test('unknown keys are refused', () => {
  const filters = Filters.parse('{"foo":["a"]}');
  expect(() => filters.allow('bar')).toThrow("invalid filter 'foo'");
  expect(filters.allow('foo', 'bar')).toBe(filters);
});
