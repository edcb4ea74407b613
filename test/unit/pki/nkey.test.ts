import { expect, test } from '@jest/globals';
import { fromPublic, fromSeed } from '@nats-io/nkeys';
import {
  createNKey,
  isPublicNKey,
  nkeyFromSeed,
  seedOf,
  signWithNKey,
  verifyWithNKey,
} from '../../../pki/mod.ts';
import { codeOf } from './support.ts';

const kinds = ['operator', 'account', 'user', 'server'] as const;
const letters = { operator: 'O', account: 'A', user: 'U', server: 'N' };
const data = Buffer.from('data to sign');

test.each(kinds)(
  'the %s key of a seed is the nkeys package’s, and so are its signatures',
  (kind) => {
    for (let round = 0; round < 2; round++) {
      const ours = createNKey(kind);
      const seed = seedOf(ours);
      const theirs = fromSeed(Buffer.from(seed));
      expect(seed).toMatch(new RegExp(`^S${letters[kind]}[A-Z2-7]{56}$`));
      expect(ours.publicKey).toBe(theirs.getPublicKey());
      expect(ours.publicKey.startsWith(letters[kind])).toBe(true);
      const signature = signWithNKey(ours, data);
      expect(Buffer.from(theirs.sign(data)).equals(signature)).toBe(true);
      expect(fromPublic(ours.publicKey).verify(data, signature)).toBe(true);
      expect(verifyWithNKey(kind, ours.publicKey, data, signature)).toBe(true);
    }
  },
);

test('known answer, made by the nkeys package', () => {
  const key = createNKey('account', Buffer.alloc(32, 1));
  expect(key.publicKey).toBe('ACFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYYOU');
  expect(seedOf(key)).toBe('SAAACAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAKM5I');
});

test.each(kinds)('a %s key comes back from its seed', (kind) => {
  const key = createNKey(kind);
  const again = nkeyFromSeed(seedOf(key));
  expect([again.kind, again.publicKey]).toEqual([kind, key.publicKey]);
});

test('a signature holds for its data and key only', () => {
  const [key, other] = [createNKey('user'), createNKey('user')];
  const signature = signWithNKey(key, data);
  expect(verifyWithNKey('user', other.publicKey, data, signature)).toBe(false);
  expect(verifyWithNKey('user', key.publicKey, Buffer.from('data'), signature)).toBe(false);
  expect(verifyWithNKey('user', key.publicKey, data, signature.subarray(1))).toBe(false);
  expect(codeOf(() => verifyWithNKey('account', key.publicKey, data, signature))).toBe('bad-nkey');
});

test('each of many keys is verified by its own, the first time and later', () => {
  const keys = Array.from({ length: 100 }, () => createNKey('server'));
  const signatures = keys.map((key) => signWithNKey(key, data));
  for (let round = 0; round < 2; round++)
    for (const [i, { publicKey }] of keys.entries()) {
      const verified = [i, (i + 1) % keys.length].map((of) =>
        verifyWithNKey('server', publicKey, data, signatures[of] ?? data),
      );
      expect(verified).toEqual([true, false]);
    }
});

test('a public key with any letter changed is none', () => {
  const { publicKey } = createNKey('account');
  expect(isPublicNKey('account', publicKey)).toBe(true);
  expect(isPublicNKey('user', publicKey)).toBe(false);
  for (let at = 0; at < publicKey.length; at++) {
    const letter = publicKey[at] === 'B' ? 'C' : 'B';
    const changed = publicKey.slice(0, at) + letter + publicKey.slice(at + 1);
    expect(isPublicNKey('account', changed)).toBe(false);
  }
});

test.each(['', 'SA', 'x'.repeat(58), 'A'.repeat(58), createNKey('user').publicKey])(
  'refuses the seed %j',
  (text) => {
    expect(codeOf(() => nkeyFromSeed(text))).toBe('bad-nkey');
  },
);

test('refuses a seed with bits left over, a bad checksum or a wrong length', () => {
  const seed = seedOf(createNKey('user', Buffer.alloc(32, 3)));
  const last = seed.at(-1) ?? '';
  const bumped = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(last) + 1
  ];
  expect(codeOf(() => nkeyFromSeed(seed.slice(0, -1) + bumped))).toBe('bad-nkey');
  expect(codeOf(() => nkeyFromSeed(seed.toLowerCase()))).toBe('bad-nkey');
  expect(codeOf(() => createNKey('user', Buffer.alloc(31)))).toBe('bad-nkey');
});

test('the private half does not show in logs', () => {
  const key = createNKey('account');
  expect(JSON.stringify(key)).not.toContain(seedOf(key));
  expect(JSON.parse(JSON.stringify(key)).privateKey).toEqual({});
});
