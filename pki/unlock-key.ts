import { createCipheriv, createDecipheriv, createPrivateKey, randomBytes } from 'node:crypto';
import { PkiError } from './errors.ts';

const prefix = 'SWMKEY-1-';
const keyBytes = 32;

/** Form of a wrapped key: version, 96-bit nonce, ciphertext, 128-bit tag. */
const wrapVersion = 1;
const nonceBytes = 12;
const tagBytes = 16;
const cipherName = 'aes-256-gcm';

export type UnlockKeyResult =
  | { readonly ok: true; readonly key: Buffer }
  | { readonly ok: false; readonly reason: 'malformed' };

/** 32 fresh random bytes: a key-encryption key (the unlock key) or a data key. */
export function newKey(): Buffer {
  return randomBytes(keyBytes);
}

/** `SWMKEY-1-` and the unpadded standard base64 of the key (swarmkit's HumanReadableKey). Throws `bad-key`. */
export function formatUnlockKey(key: Uint8Array): string {
  const base64 = Buffer.from(requireKey(key)).toString('base64');
  return prefix + base64.replace(/=+$/, '');
}

/** Reads what `formatUnlockKey` writes, and nothing else. Never throws. */
export function parseUnlockKey(text: string): UnlockKeyResult {
  const malformed = { ok: false, reason: 'malformed' } as const;
  if (!text.startsWith(prefix)) return malformed;
  const key = Buffer.from(text.slice(prefix.length), 'base64');
  // Writing it again shows what Node's lenient decoder skipped or padded.
  if (key.length !== keyBytes || formatUnlockKey(key) !== text) return malformed;
  return { ok: true, key };
}

/**
 * Encrypts a small secret (a data key, the root's key) under a 32-byte key, AES-256-GCM. `purpose` is
 * bound to it: it unwraps only with the same text, so one kind of secret cannot pass for another.
 * Nonces are random: keep to well below 2^32 wraps under one key. Throws `bad-key`.
 */
export function wrap(secret: Uint8Array, kek: Uint8Array, purpose: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(cipherName, requireKey(kek), nonce, { authTagLength: tagBytes });
  cipher.setAAD(associated(purpose));
  const sealed = Buffer.concat([cipher.update(secret), cipher.final()]);
  return Buffer.concat([Uint8Array.of(wrapVersion), nonce, sealed, cipher.getAuthTag()]);
}

/** Undoes `wrap`. Throws `bad-sealed` if key, purpose or bytes are not the same, `bad-key` if `kek` is no key. */
export function unwrap(wrapped: Uint8Array, kek: Uint8Array, purpose: string): Buffer {
  const bytes = Buffer.from(wrapped);
  if (bytes.length < 1 + nonceBytes + tagBytes || bytes[0] !== wrapVersion)
    throw new PkiError('bad-sealed', 'not a wrapped key of a known version');
  const nonce = bytes.subarray(1, 1 + nonceBytes);
  const decipher = createDecipheriv(cipherName, requireKey(kek), nonce, {
    authTagLength: tagBytes,
  });
  decipher.setAAD(associated(purpose));
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  const opened = decipher.update(bytes.subarray(1 + nonceBytes, -tagBytes));
  try {
    return Buffer.concat([opened, decipher.final()]);
  } catch (cause) {
    throw new PkiError('bad-sealed', 'wrong key, or damaged', { cause });
  }
}

/**
 * A private key (PEM) encrypted with a random secret, as PKCS#8 (PBES2, AES-256). The derivation that its form asks for
 * is not what protects it: the secret must not be guessable.
 */
export const sealKeyPem = (pem: string, secret: string): string =>
  createPrivateKey(pem)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: secret })
    .toString();

export const isSealedPem = (pem: string): boolean => pem.includes('BEGIN ENCRYPTED PRIVATE KEY');

/** Undoes `sealKeyPem`. Throws `bad-sealed` if it is another secret. */
export function openKeyPem(pem: string, secret: string): string {
  try {
    return createPrivateKey({ key: pem, passphrase: secret })
      .export({ type: 'pkcs8', format: 'pem' })
      .toString();
  } catch (cause) {
    throw new PkiError('bad-sealed', 'wrong secret, or damaged', { cause });
  }
}

function associated(purpose: string): Buffer {
  return Buffer.from(`natswarm wrap ${wrapVersion} ${purpose}`, 'utf8');
}

function requireKey(key: Uint8Array): Uint8Array {
  if (key.length !== keyBytes) throw new PkiError('bad-key', `a key has ${keyBytes} bytes`);
  return key;
}
