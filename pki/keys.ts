import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { type Asn1, nul, oid, readChildren, readDer, seq, tags } from './der.ts';
import { PkiError } from './errors.ts';

/** DER content of the identifiers that stand in a SubjectPublicKeyInfo. */
const oidHex = {
  ecPublicKey: '2a8648ce3d0201',
  p256: '2a8648ce3d030107',
  p384: '2b81040022',
  rsaEncryption: '2a864886f70d010101',
} as const;

const rsaBitsMin = 2048;
/** Above this a verification costs milliseconds, and the key comes from a stranger. */
const rsaBitsMax = 8192;
const rsaExponentMin = 65537n;
const rsaExponentMax = 0xffff_ffffn;

/** A fresh P-256 key pair (0.04 ms), the kind Swarm uses for nodes and roots. */
export function generateKeys(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** A private key as PKCS#8 PEM, unencrypted. */
export function privateKeyToPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** A private key from PEM (PKCS#8, SEC1 or PKCS#1). Throws `bad-key`, also if it is encrypted. */
export function privateKeyFromPem(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new PkiError('bad-key', 'unreadable private key', { cause });
  }
}

/** SubjectPublicKeyInfo of a public or private key. */
export function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ type: 'spki', format: 'der' });
}

/**
 * A public key that may stand in a node's certificate: P-256 or P-384 with a named curve and an
 * uncompressed point (all that Go's TLS reads), or RSA of 2048–8192 bits. Throws `bad-key` or `bad-der`.
 */
export function acceptPublicKey(spki: Uint8Array): KeyObject {
  return isEcKey(spki) ? importSpki(spki) : acceptRsa(importSpki(spki));
}

/** SubjectPublicKeyInfo of a key, if it is one that may stand in a node's certificate. Throws `bad-key` or `bad-der`. */
export function acceptedSpki(key: KeyObject): Buffer {
  const spki = spkiOf(key);
  if (!isEcKey(spki)) acceptRsa(key);
  return spki;
}

/** EC, and of a form that is accepted; false for RSA. */
function isEcKey(spki: Uint8Array): boolean {
  const [algorithm, bitString] = readChildren(readDer(spki), tags.sequence);
  if (algorithm === undefined || bitString?.tag !== tags.bitString) throw badKey('malformed key');
  const [kind, parameters] = readChildren(algorithm, tags.sequence);
  const kindHex = kind?.content.toString('hex');
  if (kindHex === oidHex.ecPublicKey) {
    // Parameters spelled out could name any curve; only an identifier is taken.
    const curve = parameters?.tag === tags.oid ? parameters.content.toString('hex') : undefined;
    const pointBytes = curve === oidHex.p256 ? 65 : curve === oidHex.p384 ? 97 : undefined;
    if (pointBytes === undefined) throw badKey('curve must be P-256 or P-384');
    const point = bitString.content;
    if (point.length !== pointBytes + 1 || point[0] !== 0 || point[1] !== 4)
      throw badKey('the point must be uncompressed');
    return true;
  }
  if (kindHex !== oidHex.rsaEncryption) throw badKey('the key must be EC or RSA');
  return false;
}

function acceptRsa(key: KeyObject): KeyObject {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < rsaBitsMin || modulusLength > rsaBitsMax)
    throw badKey(`RSA keys need ${rsaBitsMin} to ${rsaBitsMax} bits`);
  if (publicExponent < rsaExponentMin || publicExponent > rsaExponentMax)
    throw badKey('unusual RSA exponent');
  return key;
}

/** What stands before the point of a P-256 key. */
const p256Head = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const p256Bytes = 32;

function importSpki(spki: Uint8Array): KeyObject {
  const der = Buffer.from(spki);
  const point = der.subarray(p256Head.length);
  try {
    // Nearly every key. OpenSSL reads and writes such a one in a fraction of the time that its DER decoders take.
    if (point.length === 2 * p256Bytes && der.subarray(0, p256Head.length).equals(p256Head))
      return createPublicKey({
        format: 'jwk',
        key: {
          kty: 'EC',
          crv: 'P-256',
          x: point.toString('base64url', 0, p256Bytes),
          y: point.toString('base64url', p256Bytes),
        },
      });
    return createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch (cause) {
    throw new PkiError('bad-key', 'unreadable public key', { cause });
  }
}

function badKey(message: string): PkiError {
  return new PkiError('bad-key', message);
}

/** How a key signs: node:crypto's digest and the AlgorithmIdentifier that goes with it. */
export interface SignatureScheme {
  readonly digest: 'sha256' | 'sha384' | 'sha512';
  readonly algorithm: () => Asn1;
}

const ecSchemes: ReadonlyMap<string, SignatureScheme> = new Map([
  ['prime256v1', { digest: 'sha256', algorithm: () => seq(oid('1.2.840.10045.4.3.2')) }],
  ['secp384r1', { digest: 'sha384', algorithm: () => seq(oid('1.2.840.10045.4.3.3')) }],
  ['secp521r1', { digest: 'sha512', algorithm: () => seq(oid('1.2.840.10045.4.3.4')) }],
]);

const rsaScheme: SignatureScheme = {
  digest: 'sha256',
  algorithm: () => seq(oid('1.2.840.113549.1.1.11'), nul()),
};

/**
 * The scheme for a signer's key; digest strength follows the curve. Roots that users bring may be RSA
 * or EC. Throws `bad-key` for any other key.
 */
export function signatureScheme(key: KeyObject): SignatureScheme {
  if (key.asymmetricKeyType === 'rsa') {
    acceptRsa(key);
    return rsaScheme;
  }
  const scheme = ecSchemes.get(key.asymmetricKeyDetails?.namedCurve ?? '');
  if (scheme === undefined) throw badKey('a signing key must be EC (P-256, P-384, P-521) or RSA');
  return scheme;
}
