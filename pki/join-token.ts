import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { PkiError } from './errors.ts';
import { normalizeCertificates } from './pem.ts';

const digestBytes = 32;
const digestChars = 50;
const secretBytes = 16;
const secretChars = 25;
const tokenPattern = /^SWMTKN-1-([0-9a-z]{50})-([0-9a-z]{25})$/;

/** The two parts of a token: what the joiner checks the root with, and what the CA checks the joiner by. */
export interface JoinToken {
  readonly rootDigest: Buffer;
  readonly secret: Buffer;
}

export type JoinTokenResult =
  | { readonly ok: true; readonly token: JoinToken }
  | { readonly ok: false; readonly reason: 'malformed' | 'out-of-range' | 'fips' };

/** 16 fresh random bytes; manager and worker tokens differ in nothing else. */
export function newJoinSecret(): Buffer {
  return randomBytes(secretBytes);
}

/**
 * The digest in a token: SHA-256 over the PEM text of the root certificate, not over its DER. swarmkit
 * does it so (ca.NewRootCA: `digest.FromBytes(rootCertBytes)`), after NormalizePEMs; so the bytes are
 * those of `normalizeCertificates` (64 columns, LF, final LF), whatever white space the input has.
 * Throws `bad-pem`.
 */
export function rootDigest(rootPem: string): Buffer {
  return createHash('sha256').update(normalizeCertificates(rootPem)).digest();
}

/**
 * `SWMTKN-1-<root digest, base36, 50 digits>-<secret, base36, 25 digits>` (swarmkit's GenerateJoinToken,
 * version 1). Throws `bad-pem`, or `bad-key` if the secret is not 16 bytes.
 */
export function makeJoinToken(rootPem: string, secret: Uint8Array): string {
  if (secret.length !== secretBytes) throw new PkiError('bad-key', 'a join secret has 16 bytes');
  const digest = toBase36(rootDigest(rootPem), digestChars);
  return `SWMTKN-1-${digest}-${toBase36(secret, secretChars)}`;
}

/**
 * Reads a token. `fips` is Swarm's version 2, which natswarm does not issue; `out-of-range` are digits
 * that stand for more than 32 and 16 bytes. Never throws.
 */
export function parseJoinToken(text: string): JoinTokenResult {
  if (text.startsWith('SWMTKN-2-')) return { ok: false, reason: 'fips' };
  const [, digestText, secretText] = tokenPattern.exec(text) ?? [];
  if (digestText === undefined || secretText === undefined)
    return { ok: false, reason: 'malformed' };
  const digest = fromBase36(digestText, digestBytes);
  const secret = fromBase36(secretText, secretBytes);
  if (digest === undefined || secret === undefined) return { ok: false, reason: 'out-of-range' };
  return { ok: true, token: { rootDigest: digest, secret } };
}

/** Whether two tokens are the same text, in a time that does not tell where they differ. */
export function tokenMatches(given: string, expected: string): boolean {
  // Digests have one length, which timingSafeEqual needs, whatever length the stranger's text has.
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** Whether this is the root the token was made for: the joiner's check before it sends its token. Throws `bad-pem`. */
export function rootMatchesToken(rootPem: string, token: JoinToken): boolean {
  return rootDigest(rootPem).equals(token.rootDigest);
}

function toBase36(bytes: Uint8Array, chars: number): string {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
    .toString(36)
    .padStart(chars, '0');
}

function fromBase36(text: string, bytes: number): Buffer | undefined {
  let value = 0n;
  for (const digit of text) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  const hex = value.toString(16).padStart(2 * bytes, '0');
  return hex.length === 2 * bytes ? Buffer.from(hex, 'hex') : undefined;
}
