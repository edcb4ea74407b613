import { expect, test } from '@jest/globals';
import { parseTimestamp, Query } from '../../../api/query.ts';

test('the first of several values counts; plus signs and escapes are read', () => {
  const query = new Query('a=1&a=2&b=x+y%2Bz&c&=e&&d=%e2%82%ac');
  expect(query.get('a')).toBe('1');
  expect(query.get('b')).toBe('x y+z');
  expect(query.get('c')).toBe('');
  expect(query.get('d')).toBe('€');
  expect(() => query.check()).not.toThrow();
});

test.each([
  ['a=%zz', 'invalid URL escape "%zz"'],
  ['a=%', 'invalid URL escape "%"'],
  ['a=1;b=2', 'invalid semicolon separator in query'],
])('%s is told of', (text, message) => {
  const query = new Query(`${text}&x=1`);
  expect(query.get('x')).toBe('1');
  expect(() => query.check()).toThrow(message);
});

test.each(['', '0', 'no', 'False', 'NONE', ' false '])('%j is false', (value) => {
  expect(new Query(`f=${encodeURIComponent(value)}`).flag('f')).toBe(false);
});
test.each(['1', 'true', 'yes', 'off', 'x'])('%j is true', (value) => {
  expect(new Query(`f=${value}`).flag('f')).toBe(true);
});

test('strict flags know only the words of Go', () => {
  expect(new Query('f=T').strictFlag('f', true)).toBe(true);
  expect(new Query('f=False').strictFlag('f', true)).toBe(false);
  expect(new Query('').strictFlag('f', true)).toBe(false);
  expect(() => new Query('f=foo').strictFlag('f', true)).toThrow(
    'invalid value for f: foo: strconv.ParseBool: parsing "foo": invalid syntax',
  );
  expect(() => new Query('f=foo').strictFlag('f', false)).toThrow(/^invalid value for f: foo$/);
});

test.each([
  ['', 'invalid syntax'],
  ['a', 'invalid syntax'],
  ['-1', 'invalid syntax'],
  ['99999999999999999999999', 'value out of range'],
])('version %j is refused', (value, why) => {
  expect(() => new Query(`version=${value}`).version('service')).toThrow(
    `invalid service version '${value}': strconv.ParseUint: parsing "${value}": ${why}`,
  );
});
test('a version is a number', () => {
  expect(new Query('version=784').version('service')).toBe(784);
});

test('timestamps are seconds with a fraction', () => {
  expect(parseTimestamp('')).toBeUndefined();
  expect(parseTimestamp('5')).toBe(5_000_000_000n);
  expect(parseTimestamp('1795458048.434070541')).toBe(1_795_458_048_434_070_541n);
  expect(parseTimestamp('1.5')).toBe(1_500_000_000n);
  expect(() => parseTimestamp('abc')).toThrow('strconv.ParseInt: parsing "abc": invalid syntax');
  expect(() => parseTimestamp('1.5x')).toThrow('strconv.ParseInt: parsing "5x": invalid syntax');
  expect(() => parseTimestamp('9223372036854775808')).toThrow('value out of range');
});
