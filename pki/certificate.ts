import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { type Certificate, readCertificate } from './certificate-reader.ts';
import {
  bits,
  booleanTrue,
  context,
  contextPrimitive,
  embed,
  encode,
  integer,
  type Asn1,
  octets,
  oid,
  readChildren,
  readDer,
  seq,
  set,
  tags,
  time,
  utf8,
} from './der.ts';
import { PkiError } from './errors.ts';
import { caName, dnsNames, type Role, requireIdentityName, roleUnits } from './identity.ts';
import { acceptedSpki, type SignatureScheme, signatureScheme, spkiOf } from './keys.ts';
import { pemEncode } from './pem.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Certificates start this much in the past, so a node whose clock is behind can use them (Swarm's rule). */
export const backdateMs = hourMs;
/** Life of a root, 20 years of 365 days (swarmkit: 630720000 s). */
export const rootValidityMs = 7300 * dayMs;
/** Default life of a node's certificate (swarmkit: 2160 h). */
export const nodeValidityMs = 90 * dayMs;

const oids = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  unit: '2.5.4.11',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

/** A CA that can sign: its certificate, its key and how that key signs. */
export interface Issuer {
  readonly certificate: Certificate;
  readonly key: KeyObject;
  readonly scheme: SignatureScheme;
}

/**
 * Puts a CA's certificate and key together. Throws `not-a-ca` if the certificate is no CA's,
 * `key-mismatch` if the key is not its key, `bad-key` if it cannot sign.
 */
export function makeIssuer(certificatePem: string, key: KeyObject): Issuer {
  const certificate = readCertificate(certificatePem);
  if (!certificate.isCa) throw new PkiError('not-a-ca', 'the certificate is not of a CA');
  if (!certificate.x509.checkPrivateKey(key))
    throw new PkiError('key-mismatch', 'certificate and key do not belong together');
  return { certificate, key, scheme: signatureScheme(key) };
}

export interface RootOptions {
  /** Private key of the new root. */
  readonly key: KeyObject;
  readonly nowMs: number;
  /** Default 20 years, as in Swarm. */
  readonly validityMs?: number;
}

/** A self-signed root `CN=swarm-ca`, as PEM. Throws `bad-key`, `bad-validity`. */
export function issueRoot(options: RootOptions): string {
  const validityMs = requireValidity(options.validityMs ?? rootValidityMs);
  const spki = spkiOf(options.key);
  const subject = encode(nameOf([[oids.commonName, caName]]));
  const keyId = keyIdOf(spki);
  return signCertificate({
    issuerDer: subject,
    key: options.key,
    scheme: signatureScheme(options.key),
    notBeforeMs: options.nowMs - backdateMs,
    notAfterMs: options.nowMs + validityMs,
    subjectDer: subject,
    spki,
    extensions: caExtensions(keyId, keyId),
  });
}

export interface NodeCertificateOptions {
  readonly issuer: Issuer;
  readonly publicKey: KeyObject;
  readonly nodeId: string;
  readonly role: Role;
  readonly clusterId: string;
  readonly nowMs: number;
  /** From `nowMs`; what the backdating adds is on top. Cut off at the end of the issuer's own life. */
  readonly validityMs: number;
}

/**
 * A certificate for a node or client, as PEM: CN node ID, OU role, O cluster; DNS names by role; for
 * TLS servers and clients. All of it is the caller's word, nothing is taken from a request but the key.
 * Throws `bad-name`, `bad-key`, `bad-validity` (also if the issuer has expired).
 */
export function issueNodeCertificate(options: NodeCertificateOptions): string {
  const { issuer, nodeId, role, clusterId, nowMs } = options;
  requireIdentityName('node ID', nodeId);
  requireIdentityName('cluster ID', clusterId);
  const spki = acceptedSpki(options.publicKey);
  const validityMs = requireValidity(options.validityMs);
  const notAfterMs = Math.min(nowMs + validityMs, issuer.certificate.notAfterMs);
  if (notAfterMs <= nowMs) throw new PkiError('bad-validity', 'the CA certificate has expired');
  return signCertificate({
    issuerDer: issuer.certificate.subjectDer,
    key: issuer.key,
    scheme: issuer.scheme,
    notBeforeMs: nowMs - backdateMs,
    notAfterMs,
    subjectDer: encode(
      nameOf([
        [oids.organization, clusterId],
        [oids.unit, roleUnits[role]],
        [oids.commonName, nodeId],
      ]),
    ),
    spki,
    extensions: nodeExtensions(issuer, keyIdOf(spki), dnsNames(nodeId, role)),
  });
}

/**
 * The new root as an intermediate of the old one: same subject, key and validity, signed by `issuer`.
 * While a root rotation runs, nodes that trust only the old root accept certificates of the new one
 * through it. Throws `not-a-ca`, `bad-certificate`.
 */
export function crossSignRoot(issuer: Issuer, newRootPem: string): string {
  const root = readCertificate(newRootPem);
  if (!root.isCa) throw new PkiError('not-a-ca', 'the certificate is not of a CA');
  return signCertificate({
    issuerDer: issuer.certificate.subjectDer,
    key: issuer.key,
    scheme: issuer.scheme,
    notBeforeMs: root.notBeforeMs,
    notAfterMs: root.notAfterMs,
    subjectDer: root.subjectDer,
    spki: root.publicKeyDer,
    // The key ID of the new root itself, since that is what its certificates point at.
    extensions: caExtensions(
      root.subjectKeyId ?? keyIdOf(root.publicKeyDer),
      issuer.certificate.subjectKeyId,
    ),
  });
}

interface Body {
  readonly issuerDer: Buffer;
  readonly key: KeyObject;
  readonly scheme: SignatureScheme;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly subjectDer: Buffer;
  readonly spki: Buffer;
  readonly extensions: readonly Asn1[];
}

function signCertificate(body: Body): string {
  const version3 = context(0, integer(Uint8Array.of(2)));
  const toSign = encode(
    seq(
      version3,
      integer(serialNumber()),
      body.scheme.algorithm(),
      embed(body.issuerDer),
      seq(time(body.notBeforeMs), time(body.notAfterMs)),
      embed(body.subjectDer),
      embed(body.spki),
      context(3, seq(...body.extensions)),
    ),
  );
  const signature = sign(body.scheme.digest, toSign, body.key);
  const certificate = seq(embed(toSign), body.scheme.algorithm(), bits(signature));
  return pemEncode('CERTIFICATE', encode(certificate));
}

/** 126 random bits: positive, never shorter than 16 bytes, far below RFC 5280's 20. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = (bytes.readUInt8(0) & 0x7f) | 0x40;
  return bytes;
}

/** SHA-1 of the key's bits, RFC 5280 §4.2.1.2 method 1; an identifier, not a protection. */
function keyIdOf(spki: Buffer): Buffer {
  const [, bitString] = readChildren(readDer(spki), tags.sequence);
  if (bitString === undefined) throw new PkiError('bad-key', 'malformed key');
  return createHash('sha1').update(bitString.content.subarray(1)).digest();
}

function nameOf(attributes: readonly (readonly [type: string, value: string])[]): Asn1 {
  return seq(...attributes.map(([type, value]) => set(seq(oid(type), utf8(value)))));
}

function extension(type: string, critical: boolean, value: Asn1): Asn1 {
  return seq(oid(type), ...(critical ? [booleanTrue()] : []), octets(encode(value)));
}

function keyIdExtensions(own: Buffer, issuers: Buffer | undefined): readonly Asn1[] {
  const subject = extension(oids.subjectKeyId, false, octets(own));
  if (issuers === undefined) return [subject];
  return [subject, extension(oids.authorityKeyId, false, seq(contextPrimitive(0, issuers)))];
}

function caExtensions(own: Buffer, issuers: Buffer | undefined): readonly Asn1[] {
  return [
    // keyCertSign and cRLSign: bits 5 and 6, the last bit of the byte unused.
    extension(oids.keyUsage, true, bits(Uint8Array.of(0x06), 1)),
    extension(oids.basicConstraints, true, seq(booleanTrue())),
    ...keyIdExtensions(own, issuers),
  ];
}

function nodeExtensions(issuer: Issuer, own: Buffer, names: readonly string[]): readonly Asn1[] {
  return [
    // digitalSignature and keyEncipherment: bits 0 and 2, five bits unused.
    extension(oids.keyUsage, true, bits(Uint8Array.of(0xa0), 5)),
    extension(oids.extendedKeyUsage, false, seq(oid(oids.serverAuth), oid(oids.clientAuth))),
    extension(oids.basicConstraints, true, seq()),
    ...keyIdExtensions(own, issuer.certificate.subjectKeyId),
    extension(
      oids.subjectAltName,
      false,
      seq(...names.map((name) => contextPrimitive(2, Buffer.from(name)))),
    ),
  ];
}

function requireValidity(validityMs: number): number {
  if (!Number.isSafeInteger(validityMs) || validityMs <= 0)
    throw new PkiError('bad-validity', `validity must be a positive number of ms: ${validityMs}`);
  return validityMs;
}
