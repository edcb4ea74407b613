import { expect, test } from '@jest/globals';
import { formatUnlockKey, newKey, parseUnlockKey, unwrap, wrap } from '../../../pki/mod.ts';
import { codeOf } from './support.ts';

test('an unlock key has Swarm’s form and comes back', () => {
  for (let round = 0; round < 50; round++) {
    const key = newKey();
    const text = formatUnlockKey(key);
    expect(text).toMatch(/^SWMKEY-1-[A-Za-z0-9+/]{43}$/);
    expect(parseUnlockKey(text)).toEqual({ ok: true, key });
  }
});

test('known answer', () => {
  const key = Buffer.alloc(32, 0xff);
  expect(formatUnlockKey(key)).toBe(`SWMKEY-1-${'/'.repeat(42)}8`);
});

const good = formatUnlockKey(Buffer.alloc(32));
test.each([
  '',
  'SWMKEY-1-',
  good.slice(0, -1),
  `${good}A`,
  `${good}=`,
  `${good}\n`,
  ` ${good}`,
  good.replace('SWMKEY-1', 'SWMKEY-2'),
  `${good.slice(0, -1)}-`,
  // The last digit holds two bits that must be zero.
  `${good.slice(0, -1)}B`,
  good.replace('AAAA', 'AA A'),
])('refuses %j', (text) => {
  expect(parseUnlockKey(text)).toEqual({ ok: false, reason: 'malformed' });
});

test('wraps and unwraps, never twice the same', () => {
  const [kek, secret] = [newKey(), newKey()];
  const wrapped = wrap(secret, kek, 'store');
  expect(wrapped).toHaveLength(1 + 12 + 32 + 16);
  expect(unwrap(wrapped, kek, 'store').equals(secret)).toBe(true);
  expect(wrap(secret, kek, 'store').equals(wrapped)).toBe(false);
  expect(unwrap(wrap(Buffer.alloc(0), kek, 'store'), kek, 'store')).toHaveLength(0);
});

test('refuses another key, another purpose and any change', () => {
  const kek = newKey();
  const wrapped = wrap(newKey(), kek, 'store');
  expect(codeOf(() => unwrap(wrapped, newKey(), 'store'))).toBe('bad-sealed');
  expect(codeOf(() => unwrap(wrapped, kek, 'journal'))).toBe('bad-sealed');
  for (let at = 0; at < wrapped.length; at++) {
    const changed = Buffer.from(wrapped);
    changed[at] = changed.readUInt8(at) ^ 0x80;
    expect(codeOf(() => unwrap(changed, kek, 'store'))).toBe('bad-sealed');
    expect(codeOf(() => unwrap(wrapped.subarray(0, at), kek, 'store'))).toBe('bad-sealed');
  }
});

test('keys have 32 bytes', () => {
  expect(codeOf(() => formatUnlockKey(Buffer.alloc(31)))).toBe('bad-key');
  expect(codeOf(() => wrap(newKey(), Buffer.alloc(16), 'store'))).toBe('bad-key');
});
