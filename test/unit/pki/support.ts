import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bits,
  booleanTrue,
  context,
  embed,
  encode,
  integer,
  type Asn1,
  octets,
  oid,
  seq,
  set,
  time,
  utf8,
} from '../../../pki/der.ts';
import { readCertificate } from '../../../pki/certificate-reader.ts';
import { PkiError } from '../../../pki/errors.ts';
import { signatureScheme, spkiOf } from '../../../pki/keys.ts';
import { pemEncode } from '../../../pki/pem.ts';

export const nowMs = Date.UTC(2026, 0, 15, 12, 0, 0);
export const dayMs = 86_400_000;

export const rsaKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** Runs openssl on texts; `@name` in the arguments stands for the file with that text. */
export function openssl(args: readonly string[], files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'pki-test-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    const full = args.map((arg) => (arg.startsWith('@') ? join(dir, arg.slice(1)) : arg));
    return execFileSync('openssl', full, { encoding: 'utf8', stdio: 'pipe' });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof PkiError) return error.code;
    throw error;
  }
  return 'none';
}

/** A small deterministic generator, so that a failing case can be repeated. */
export function randomBytesFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
}

export interface Craft {
  readonly subject: readonly (readonly [type: string, value: string])[];
  readonly issuerPem: string;
  readonly issuerKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly ca?: boolean;
  readonly usage?: string;
}

/** A well-formed, correctly signed certificate that the issuing code itself would refuse to make. */
export function craft(options: Craft): string {
  const scheme = signatureScheme(options.issuerKey);
  const name = seq(...options.subject.map(([type, value]) => set(seq(oid(type), utf8(value)))));
  const extensions: Asn1[] = [];
  if (options.ca === true)
    extensions.push(seq(oid('2.5.29.19'), booleanTrue(), octets(encode(seq(booleanTrue())))));
  if (options.usage !== undefined)
    extensions.push(seq(oid('2.5.29.37'), octets(encode(seq(oid(options.usage))))));
  const body = encode(
    seq(
      context(0, integer(Uint8Array.of(2))),
      integer(Uint8Array.of(7)),
      scheme.algorithm(),
      embed(readCertificate(options.issuerPem).subjectDer),
      seq(time(nowMs - dayMs), time(nowMs + dayMs)),
      name,
      embed(spkiOf(options.publicKey)),
      ...(extensions.length === 0 ? [] : [context(3, seq(...extensions))]),
    ),
  );
  const signature = sign(scheme.digest, body, options.issuerKey);
  return pemEncode('CERTIFICATE', encode(seq(embed(body), scheme.algorithm(), bits(signature))));
}
