import { describe, expect, test } from '@jest/globals';
import { Packr, pack as packAnything } from 'msgpackr';
import {
  CodecError,
  decodeBody,
  type Encoding,
  encodeBody,
  encodingOf,
  pack,
  unpack,
} from '../../../bus/codec.ts';

const bodies: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  127,
  128,
  -33,
  65_536,
  -40_000,
  2 ** 32,
  -(2 ** 40),
  Number.MAX_SAFE_INTEGER,
  0.1,
  '',
  'a',
  'ä€😀',
  'x'.repeat(40),
  'x'.repeat(300),
  'x'.repeat(70_000),
  [],
  [1, [2, [3]]],
  Array.from({ length: 20 }, (_, i) => i),
  Array.from({ length: 70_000 }, (_, i) => i),
  {},
  { a: { b: [{ c: null }] } },
  Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i])),
  Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i])),
];

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return error instanceof CodecError ? error.code : String(error);
  }
  return 'none';
};

describe.each<Encoding>(['msgpack', 'json'])('%s', (encoding) => {
  test('gives back what it was given', () => {
    for (const body of bodies)
      expect(decodeBody(encodeBody(body, encoding), encoding)).toEqual(body);
  });

  test('leaves undefined fields out', () => {
    const decoded = decodeBody(encodeBody({ a: undefined, b: [undefined, 1] }, encoding), encoding);
    expect(Object.keys(decoded as object)).toEqual(['b']);
    expect(decoded).toEqual({ b: [null, 1] });
  });

  test('takes an empty body for nothing', () => {
    expect(decodeBody(new Uint8Array(), encoding)).toBeUndefined();
  });

  test('refuses above its bound, both ways', () => {
    expect(codeOf(() => encodeBody('x'.repeat(100), encoding, 100))).toBe('too-large');
    expect(codeOf(() => decodeBody(new Uint8Array(101), encoding, 100))).toBe('too-large');
  });

  test('refuses every cut and most damage without any other error', () => {
    const data = encodeBody({ name: 'web', list: [1, 'two', { three: 3.5 }], ok: true }, encoding);
    for (let end = 1; end < data.length; end++)
      expect(codeOf(() => decodeBody(data.subarray(0, end), encoding))).toBe('malformed');
    for (let at = 0; at < data.length; at++)
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Uint8Array.from(data);
        damaged[at] = (damaged[at] as number) ^ (1 << bit);
        expect(['malformed', 'none']).toContain(codeOf(() => decodeBody(damaged, encoding)));
      }
  });

  test('sets no prototype', () => {
    const evil = JSON.parse('{"__proto__":{"admin":true},"a":{"__proto__":{"admin":true}}}');
    const decoded = decodeBody(encodeBody(evil, encoding), encoding) as Record<string, object>;
    const copy = Object.assign({}, decoded, decoded['a']);
    expect((copy as { admin?: boolean }).admin).toBeUndefined();
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });
});

test('JSON cannot smuggle a prototype in with an escape', () => {
  const text = Buffer.from('{"\\u005f_proto__":{"admin":true}}');
  expect(Object.keys(decodeBody(text, 'json') as object)).toEqual([]);
});

test('JSON must be UTF-8', () => {
  expect(codeOf(() => decodeBody(Uint8Array.of(0x22, 0xff, 0x22), 'json'))).toBe('malformed');
});

test('msgpack carries bytes, copied out of the message', () => {
  const data = pack({ secret: Uint8Array.of(1, 2, 3) });
  const { secret } = unpack(data) as { secret: Uint8Array };
  data.fill(0);
  expect([...secret]).toEqual([1, 2, 3]);
});

test('64-bit integers of other languages are numbers', () => {
  expect(unpack(Uint8Array.of(0xcf, 0, 0, 1, 0, 0, 0, 0, 0))).toBe(2 ** 40);
  expect(unpack(Uint8Array.of(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe))).toBe(-2);
});

test.each([
  ['a regular expression', { x: /(a+)+$/ }],
  ['an error', new Error('x')],
  ['a set', new Set([1])],
  ['a date', new Date(0)],
])('%s is no plain msgpack', (_, value) => {
  const data = new Packr({ moreTypes: true, useRecords: false }).pack(value);
  expect(codeOf(() => unpack(data))).toBe('malformed');
});

test('records, extensions and the unused token are no plain msgpack', () => {
  expect(codeOf(() => unpack(packAnything(undefined)))).toBe('malformed');
  expect(codeOf(() => unpack(Uint8Array.of(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1)))).toBe(
    'malformed',
  );
  expect(codeOf(() => unpack(Uint8Array.of(0xc1)))).toBe('malformed');
});

test('lies about counts and bottomless nesting are refused', () => {
  expect(codeOf(() => unpack(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 1)))).toBe('malformed');
  expect(codeOf(() => unpack(Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff, 1)))).toBe('malformed');
  expect(codeOf(() => unpack(Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff, 1)))).toBe('malformed');
  expect(codeOf(() => unpack(new Uint8Array(1_000_000).fill(0x91)))).toBe('malformed');
  expect(codeOf(() => unpack(Uint8Array.of(1, 1)))).toBe('malformed');
});

test('bottomless nesting is refused in JSON, too, before anything is built of it', () => {
  const nested = (depth: number): Uint8Array =>
    Buffer.from(`${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`);
  expect(decodeBody(nested(64), 'json')).toBeDefined();
  for (const data of [nested(66), nested(600_000), Buffer.from('['.repeat(4 * 2 ** 20))])
    expect(() => decodeBody(data, 'json')).toThrow('JSON nested too deep');
  const text = '"\\'.repeat(100) + '[{'.repeat(100);
  expect(decodeBody(Buffer.from(JSON.stringify([text])), 'json')).toEqual([text]);
});

test('bodies that cannot be encoded', () => {
  const ring: Record<string, unknown> = {};
  ring['self'] = ring;
  expect(codeOf(() => encodeBody(ring, 'json'))).toBe('malformed');
  expect(codeOf(() => encodeBody(ring, 'msgpack'))).toBe('malformed');
});

test('the header', () => {
  expect(encodingOf(undefined)).toBe('json');
  expect(encodingOf('')).toBe('json');
  expect(encodingOf('JSON')).toBe('json');
  expect(encodingOf('msgpack')).toBe('msgpack');
  expect(codeOf(() => encodingOf('cbor'))).toBe('malformed');
});
