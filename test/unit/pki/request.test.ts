import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { createRequest, generateKeys, readRequest } from '../../../pki/mod.ts';
import { pemDecodeOne, pemEncode } from '../../../pki/pem.ts';
import { codeOf, openssl, randomBytesFrom, rsaKeys } from './support.ts';

const label = 'CERTIFICATE REQUEST';
const keys = generateKeys();
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const privatePem = (key = keys.privateKey) =>
  key.export({ type: 'pkcs8', format: 'pem' }).toString();

test.each([
  ['P-256', keys],
  ['P-384', p384],
  ['RSA-2048', rsaKeys],
])('a %s request is accepted by openssl and by the reader', (_kind, pair) => {
  const pem = createRequest(pair.privateKey);
  expect(openssl(['req', '-verify', '-noout', '-in', '@r.pem'], { 'r.pem': pem })).toBeDefined();
  expect(readRequest(pem).equals(pair.publicKey)).toBe(true);
});

test.each([
  ['P-256', keys.privateKey, ['-sha256']],
  ['P-256 with SHA-512', keys.privateKey, ['-sha512']],
  ['P-384', p384.privateKey, ['-sha384']],
  ['RSA', rsaKeys.privateKey, ['-sha256']],
])(
  'reads a request of openssl (%s); subject and names in it do not matter',
  (_kind, key, digest) => {
    const args = [
      'req',
      '-new',
      '-key',
      '@k.pem',
      ...digest,
      '-subj',
      '/O=x/OU=swarm-manager/CN=root',
    ];
    const names = ['-addext', 'subjectAltName=DNS:swarm-manager'];
    const pem = openssl([...args, ...names], { 'k.pem': privatePem(key) });
    expect(readRequest(pem).equals(createPublicKey(key))).toBe(true);
  },
);

test.each([
  ['RSA of 1024 bits', ['genpkey', '-algorithm', 'rsa', '-pkeyopt', 'rsa_keygen_bits:1024']],
  ['RSA with exponent 3', ['genrsa', '-3', '2048']],
  ['Ed25519', ['genpkey', '-algorithm', 'ed25519']],
  ['secp256k1', ['ecparam', '-name', 'secp256k1', '-genkey', '-noout']],
  ['P-521', ['ecparam', '-name', 'secp521r1', '-genkey', '-noout']],
  [
    'P-256 with its parameters spelled out',
    ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-param_enc', 'explicit'],
  ],
])('refuses a request with a key of %s', (_kind, makeKey) => {
  const key = openssl(makeKey, {});
  const pem = openssl(['req', '-new', '-key', '@k.pem', '-subj', '/CN=x'], { 'k.pem': key });
  expect(codeOf(() => readRequest(pem))).toBe('bad-key');
});

test('refuses a request with another’s key in it', () => {
  const own = pemDecodeOne(label, createRequest(keys.privateKey));
  const others = pemDecodeOne(label, createRequest(generateKeys().privateKey));
  // The key stands at the same place in both: 91 bytes behind two headers, version and subject.
  const mixed = Buffer.concat([own.subarray(0, 10), others.subarray(10, 101), own.subarray(101)]);
  expect(codeOf(() => readRequest(pemEncode(label, mixed)))).toBe('bad-request');
});

test.each([
  ['nothing', ''],
  ['a certificate’s label', pemEncode('CERTIFICATE', Buffer.of(0x30, 0))],
  ['two requests', createRequest(keys.privateKey).repeat(2)],
])('refuses %s as PEM', (_what, text) => {
  expect(codeOf(() => readRequest(text))).toBe('bad-pem');
});

test('refuses trailing data and oversized text', () => {
  const der = pemDecodeOne(label, createRequest(keys.privateKey));
  const trailing = pemEncode(label, Buffer.concat([der, Buffer.of(0)]));
  expect(codeOf(() => readRequest(trailing))).toBe('bad-der');
  const huge = pemEncode(label, Buffer.alloc(20_000, 0x30));
  expect(codeOf(() => readRequest(huge))).toBe('bad-request');
});

test('deep nesting costs nothing', () => {
  // Some 2,800 SEQUENCEs within each other.
  let der = Buffer.alloc(0);
  while (der.length < 11_000) {
    const size = der.length;
    const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
    der = Buffer.concat([Buffer.from([0x30, ...length]), der]);
  }
  const started = process.cpuUsage().user;
  expect(codeOf(() => readRequest(pemEncode(label, der)))).toMatch(/^bad-(request|der)$/);
  expect(process.cpuUsage().user - started).toBeLessThan(100_000);
});

test.each([
  ['P-256', createRequest(keys.privateKey)],
  ['RSA', createRequest(rsaKeys.privateKey)],
])('a %s request cut off anywhere is refused with a code', (_kind, pem) => {
  const der = pemDecodeOne(label, pem);
  for (let length = 1; length < der.length; length++) {
    const code = codeOf(() => readRequest(pemEncode(label, der.subarray(0, length))));
    expect(code).toBe('bad-der');
  }
});

test.each([
  ['P-256', createRequest(keys.privateKey)],
  ['RSA', createRequest(rsaKeys.privateKey)],
])('a %s request with a bit turned anywhere is refused with a code', (_kind, pem) => {
  const der = pemDecodeOne(label, pem);
  for (let bit = 0; bit < der.length * 8; bit += 3) {
    const changed = Buffer.from(der);
    changed[bit >> 3] = changed.readUInt8(bit >> 3) ^ (1 << (bit & 7));
    expect(codeOf(() => readRequest(pemEncode(label, changed)))).toMatch(/^bad-(request|key|der)$/);
  }
});

test('random bytes, and random bytes in a request’s clothes, are refused with a code', () => {
  const next = randomBytesFrom(20260115);
  for (let round = 0; round < 2000; round++) {
    const junk = Buffer.from(Array.from({ length: 1 + next() }, next));
    const dressed = Buffer.concat([
      Buffer.from([0x30, 0x82, junk.length >> 8, junk.length & 255]),
      junk,
    ]);
    for (const der of [junk, dressed]) {
      const code = codeOf(() => readRequest(pemEncode(label, der)));
      expect(code).toMatch(/^bad-(request|key|der)$/);
    }
  }
});
