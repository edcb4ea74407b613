import { type KeyObject, sign, verify } from 'node:crypto';
import {
  bits,
  contextTag,
  type Der,
  embed,
  encode,
  expectTag,
  integer,
  readChildren,
  readDer,
  seq,
  tags,
} from './der.ts';
import { PkiError } from './errors.ts';
import { acceptPublicKey, signatureScheme, spkiOf } from './keys.ts';
import { pemDecodeOne, pemEncode } from './pem.ts';

/** RSA-8192 with a long subject takes 3.5 KB as PEM. */
const requestCharsMax = 16 * 1024;

const label = 'CERTIFICATE REQUEST';

/** Signature algorithms a request may use, by the hex of the whole AlgorithmIdentifier. */
const schemes: ReadonlyMap<string, { readonly key: 'ec' | 'rsa'; readonly digest: string }> =
  new Map([
    ['300a06082a8648ce3d040302', { key: 'ec', digest: 'sha256' }],
    ['300a06082a8648ce3d040303', { key: 'ec', digest: 'sha384' }],
    ['300a06082a8648ce3d040304', { key: 'ec', digest: 'sha512' }],
    ['300d06092a864886f70d01010b0500', { key: 'rsa', digest: 'sha256' }],
    ['300d06092a864886f70d01010c0500', { key: 'rsa', digest: 'sha384' }],
    ['300d06092a864886f70d01010d0500', { key: 'rsa', digest: 'sha512' }],
  ]);

/**
 * A certificate request (PKCS#10) for this private key, as PEM. Subject and attributes are empty:
 * the CA alone says who the holder is. Throws `bad-key`.
 */
export function createRequest(privateKey: KeyObject): string {
  const scheme = signatureScheme(privateKey);
  const version1 = integer(Uint8Array.of(0));
  // An empty `[0]` stands for no attributes; forge writes the constructed bit only with children.
  const noAttributes = embed(Uint8Array.of(contextTag(0), 0));
  const info = encode(seq(version1, seq(), embed(spkiOf(privateKey)), noAttributes));
  const signature = sign(scheme.digest, info, privateKey);
  return pemEncode(label, encode(seq(embed(info), scheme.algorithm(), bits(signature))));
}

/**
 * The public key of a request whose signature proves that the sender holds the private key. Subject,
 * names and attributes are not read. Accepts what `acceptPublicKey` accepts. Whatever the text is,
 * the answer is a key or a PkiError (`bad-request`, `bad-key`, `bad-pem`, `bad-der`), in time linear
 * in its length (at most 16 KiB).
 */
export function readRequest(pem: string): KeyObject {
  if (pem.length > requestCharsMax) throw new PkiError('bad-request', 'request too long');
  const parts = readChildren(readDer(pemDecodeOne(label, pem)), tags.sequence);
  const [info, algorithm, signature] = parts;
  if (info === undefined || algorithm === undefined || parts.length !== 3)
    throw new PkiError('bad-request', 'not a certificate request');
  const fields = readChildren(info, tags.sequence);
  const [version, subject, spki, attributes] = fields;
  if (fields.length !== 4 || !expectTag(version, tags.integer).content.equals(Buffer.from([0])))
    throw new PkiError('bad-request', 'not a version 1 request');
  expectTag(subject, tags.sequence);
  expectTag(attributes, contextTag(0));
  const publicKey = acceptPublicKey(expectTag(spki, tags.sequence).raw);
  if (!isSigned(info, algorithm, expectTag(signature, tags.bitString), publicKey))
    throw new PkiError('bad-request', 'the signature of the request does not match its key');
  return publicKey;
}

function isSigned(info: Der, algorithm: Der, signature: Der, publicKey: KeyObject): boolean {
  const scheme = schemes.get(algorithm.raw.toString('hex'));
  if (scheme === undefined || scheme.key !== publicKey.asymmetricKeyType)
    throw new PkiError('bad-request', 'unknown signature algorithm');
  // The first octet counts unused bits; signatures are whole octets.
  if (signature.content[0] !== 0) throw new PkiError('bad-request', 'malformed signature');
  try {
    return verify(scheme.digest, info.raw, publicKey, signature.content.subarray(1));
  } catch (cause) {
    throw new PkiError('bad-request', 'malformed signature', { cause });
  }
}
