import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { PkiError } from './errors.ts';

/**
 * NATS nkeys on Node's own Ed25519. The npm package signs in pure JavaScript at 40–90 ms a signature;
 * node:crypto needs some 50 µs, which is what a reconnect of 5,000 nodes needs.
 */
export type NKeyKind = 'operator' | 'account' | 'user' | 'server';

/** A key pair. The private half stays inside the KeyObject, so it cannot be logged by accident. */
export interface NKey {
  readonly kind: NKeyKind;
  /** Text form: O…, A…, U… or N…, 56 characters. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

/** First byte before base32, so that the text begins with the kind's letter (nats-io/nkeys, strkey.go). */
const prefixes: Readonly<Record<NKeyKind, number>> = {
  account: 0,
  server: 13 << 3,
  operator: 14 << 3,
  user: 20 << 3,
};
const seedPrefix = 18 << 3;

const rawKeyBytes = 32;
const checksumBytes = 2;
const publicChars = 56;
const seedChars = 58;

/** DER before the raw 32 bytes of an Ed25519 key (RFC 8410). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/** A key pair from 32 raw seed bytes, random unless given. Throws `bad-nkey` for another length. */
export function createNKey(kind: NKeyKind, seed: Uint8Array = randomBytes(rawKeyBytes)): NKey {
  if (seed.length !== rawKeyBytes) throw new PkiError('bad-nkey', 'a seed has 32 bytes');
  const privateKey = createPrivateKey({
    key: Buffer.concat([pkcs8Prefix, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const raw = spki.subarray(spkiPrefix.length);
  return { kind, publicKey: encode(Uint8Array.of(prefixes[kind]), raw), privateKey };
}

/** The seed as text (`SA…`, `SU…`, …): the secret that `nkeyFromSeed` reads. */
export function seedOf(key: NKey): string {
  const raw = key.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(pkcs8Prefix.length);
  const prefix = prefixes[key.kind];
  // Two octets, so that the kind's letter comes second: 5 bits of S, then 8 of the kind.
  return encode(Uint8Array.of(seedPrefix | (prefix >> 5), (prefix & 31) << 3), raw);
}

/** A key pair from its seed text. Throws `bad-nkey`. */
export function nkeyFromSeed(text: string): NKey {
  const bytes = decode(text, seedChars);
  const first = bytes.readUInt8(0);
  const kind = kindOf(((first & 7) << 5) | (bytes.readUInt8(1) >> 3));
  if ((first & 0xf8) !== seedPrefix || kind === undefined)
    throw new PkiError('bad-nkey', 'not a seed');
  return createNKey(kind, bytes.subarray(2));
}

/** Whether text is the public key of this kind, checksum included. */
export function isPublicNKey(kind: NKeyKind, text: string): boolean {
  try {
    decodePublic(kind, text);
    return true;
  } catch {
    return false;
  }
}

/** Ed25519 signature, 64 bytes. */
export function signWithNKey(key: NKey, data: Uint8Array): Buffer {
  return sign(null, data, key.privateKey);
}

/** Whether the holder of this public key signed the data. Throws `bad-nkey` if it is no such key. */
export function verifyWithNKey(
  kind: NKeyKind,
  publicKey: string,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verify(null, data, keyObjectOf(kind, publicKey), signature);
}

/** To make one takes Node as long as to verify a signature, and few servers ask about thousands of connections. */
const keyObjects = new Map<string, KeyObject>();
const keyObjectsMax = 64;

function keyObjectOf(kind: NKeyKind, publicKey: string): KeyObject {
  const raw = decodePublic(kind, publicKey);
  const known = keyObjects.get(publicKey);
  if (known !== undefined) return known;
  const spki = Buffer.concat([spkiPrefix, raw]);
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  if (keyObjects.size >= keyObjectsMax) keyObjects.clear();
  keyObjects.set(publicKey, key);
  return key;
}

function decodePublic(kind: NKeyKind, text: string): Buffer {
  const bytes = decode(text, publicChars);
  if (bytes[0] !== prefixes[kind]) throw new PkiError('bad-nkey', `not the key of a ${kind}`);
  return bytes.subarray(1);
}

function kindOf(prefix: number): NKeyKind | undefined {
  switch (prefix) {
    case prefixes.account:
      return 'account';
    case prefixes.server:
      return 'server';
    case prefixes.operator:
      return 'operator';
    case prefixes.user:
      return 'user';
    default:
      return undefined;
  }
}

function encode(prefix: Uint8Array, raw: Uint8Array): string {
  const bytes = Buffer.concat([prefix, raw]);
  const checksum = Buffer.alloc(checksumBytes);
  checksum.writeUInt16LE(crc16(bytes));
  return toBase32(Buffer.concat([bytes, checksum]));
}

function decode(text: string, chars: number): Buffer {
  if (text.length !== chars) throw new PkiError('bad-nkey', 'wrong length');
  const bytes = fromBase32(text);
  const body = bytes.subarray(0, -checksumBytes);
  if (bytes.readUInt16LE(body.length) !== crc16(body))
    throw new PkiError('bad-nkey', 'wrong checksum');
  return body;
}

/** CRC-16/XMODEM: polynomial 0x1021, start 0, no reflection. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

const base32Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648 base32 without padding. */
export function toBase32(bytes: Uint8Array): string {
  let text = '';
  let pending = 0;
  let pendingBits = 0;
  for (const byte of bytes) {
    pending = (pending << 8) | byte;
    for (pendingBits += 8; pendingBits >= 5; pendingBits -= 5)
      text += base32Digits.charAt((pending >> (pendingBits - 5)) & 31);
    pending &= 0xff;
  }
  return pendingBits === 0 ? text : text + base32Digits.charAt((pending << (5 - pendingBits)) & 31);
}

function fromBase32(text: string): Buffer {
  const bytes: number[] = [];
  let pending = 0;
  let pendingBits = 0;
  for (const char of text) {
    const digit = base32Digits.indexOf(char);
    if (digit === -1) throw new PkiError('bad-nkey', 'not base32');
    pending = ((pending << 5) | digit) & 0xfff;
    pendingBits += 5;
    if (pendingBits < 8) continue;
    pendingBits -= 8;
    bytes.push((pending >> pendingBits) & 0xff);
  }
  // What is left over must be zero, or two texts would stand for one key.
  if ((pending & ((1 << pendingBits) - 1)) !== 0) throw new PkiError('bad-nkey', 'not base32');
  return Buffer.from(bytes);
}
