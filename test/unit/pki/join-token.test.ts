import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import {
  createCluster,
  makeJoinToken,
  newJoinSecret,
  parseJoinToken,
  rootDigest,
  rootMatchesToken,
  tokenMatches,
} from '../../../pki/mod.ts';
import { codeOf, nowMs } from './support.ts';

const { rootCertPem } = createCluster({ clusterId: 'c1', nowMs });
const secret = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

function parsed(text: string) {
  const result = parseJoinToken(text);
  if (!result.ok) throw new Error(result.reason);
  return result.token;
}

test('a token has Swarm’s form and comes back', () => {
  const token = makeJoinToken(rootCertPem, secret);
  expect(token).toMatch(/^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
  expect(parsed(token).secret.equals(secret)).toBe(true);
  expect(parsed(token).rootDigest.equals(rootDigest(rootCertPem))).toBe(true);
});

test('the secret is padded with zeros on the left', () => {
  const token = makeJoinToken(rootCertPem, Buffer.concat([Buffer.alloc(15), Buffer.of(35)]));
  expect(token.endsWith(`-${'z'.padStart(25, '0')}`)).toBe(true);
  const none = makeJoinToken(rootCertPem, Buffer.alloc(16));
  expect(parsed(none).secret.equals(Buffer.alloc(16))).toBe(true);
  const most = makeJoinToken(rootCertPem, Buffer.alloc(16, 255));
  expect(parsed(most).secret.equals(Buffer.alloc(16, 255))).toBe(true);
});

test('the digest is over the PEM text, whatever white space it came with', () => {
  expect(rootDigest(rootCertPem)).toEqual(createHash('sha256').update(rootCertPem).digest());
  const untidy = `\n# our root\n${rootCertPem.replaceAll('\n', '\r\n')}\n\n`;
  expect(rootDigest(untidy)).toEqual(rootDigest(rootCertPem));
});

test('a token knows its root from another', () => {
  const other = createCluster({ clusterId: 'c1', nowMs }).rootCertPem;
  const token = parsed(makeJoinToken(rootCertPem, secret));
  expect(rootMatchesToken(rootCertPem, token)).toBe(true);
  expect(rootMatchesToken(other, token)).toBe(false);
  expect(rootMatchesToken(rootCertPem + other, token)).toBe(false);
});

test.each([
  ['', 'malformed'],
  ['SWMTKN-1', 'malformed'],
  [`SWMTKN-1-${'0'.repeat(49)}-${'0'.repeat(25)}`, 'malformed'],
  [`SWMTKN-1-${'0'.repeat(51)}-${'0'.repeat(25)}`, 'malformed'],
  [`SWMTKN-1-${'0'.repeat(50)}-${'0'.repeat(24)}`, 'malformed'],
  [`SWMTKN-1-${'0'.repeat(50)}-${'0'.repeat(26)}`, 'malformed'],
  [`SWMTKN-1-${'A'.repeat(50)}-${'0'.repeat(25)}`, 'malformed'],
  [`SWMTKN-1-${'0'.repeat(50)}-${'0'.repeat(25)}\n`, 'malformed'],
  [` SWMTKN-1-${'0'.repeat(50)}-${'0'.repeat(25)}`, 'malformed'],
  [`SWMTKN-3-${'0'.repeat(50)}-${'0'.repeat(25)}`, 'malformed'],
  [`SWMTKN-2-1-${'0'.repeat(50)}-${'0'.repeat(25)}`, 'fips'],
  [`SWMTKN-1-${'z'.repeat(50)}-${'0'.repeat(25)}`, 'out-of-range'],
  [`SWMTKN-1-${'0'.repeat(50)}-${'z'.repeat(25)}`, 'out-of-range'],
])('refuses %j', (text, reason) => {
  expect(parseJoinToken(text)).toEqual({ ok: false, reason });
});

test('tokens match only themselves', () => {
  const token = makeJoinToken(rootCertPem, secret);
  expect(tokenMatches(token, makeJoinToken(rootCertPem, secret))).toBe(true);
  expect(tokenMatches(makeJoinToken(rootCertPem, newJoinSecret()), token)).toBe(false);
  expect(tokenMatches('', token)).toBe(false);
  expect(tokenMatches(`${token}0`, token)).toBe(false);
});

test('a secret has 16 bytes', () => {
  expect(newJoinSecret()).toHaveLength(16);
  expect(codeOf(() => makeJoinToken(rootCertPem, Buffer.alloc(15)))).toBe('bad-key');
  expect(codeOf(() => makeJoinToken('', secret))).toBe('bad-pem');
});
