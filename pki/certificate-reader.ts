import { createHash, X509Certificate } from 'node:crypto';
import { contextTag, type Der, expectTag, readChildren, readDer, readTime, tags } from './der.ts';
import { PkiError } from './errors.ts';
import { type Role, roleOfUnit } from './identity.ts';
import { pemDecode, pemEncode } from './pem.ts';

/**
 * What natswarm reads from a certificate. `nodeId`, `role` and `clusterId` are the subject's CN, OU
 * and O; each is undefined unless it stands there exactly once (and, for the role, is known), so a
 * certificate with two OUs has no role rather than the better one.
 */
export interface Certificate {
  readonly x509: X509Certificate;
  readonly nodeId: string | undefined;
  readonly role: Role | undefined;
  readonly clusterId: string | undefined;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isCa: boolean;
  /** Raw DER names and key, byte for byte as in the certificate. */
  readonly subjectDer: Buffer;
  readonly issuerDer: Buffer;
  readonly publicKeyDer: Buffer;
  readonly subjectKeyId: Buffer | undefined;
}

/** The three fields of Docker's TLSInfo (swarm-wide and per node). */
export interface TlsInfo {
  readonly TrustRoot: string;
  /** base64 of the issuer's raw DER subject. */
  readonly CertIssuerSubject: string;
  /** base64 of the issuer's SubjectPublicKeyInfo. */
  readonly CertIssuerPublicKey: string;
}

const oidHex = {
  organization: '55040a',
  unit: '55040b',
  commonName: '550403',
  subjectKeyId: '551d0e',
} as const;

/** The first certificate of a PEM text (a chain has the leaf first). Throws `bad-pem`, `bad-certificate`. */
export function readCertificate(pem: string): Certificate {
  const [der] = pemDecode('CERTIFICATE', pem);
  if (der === undefined) throw new PkiError('bad-pem', 'no certificate');
  return readCertificateDer(der);
}

/** Every certificate of a PEM text, in order. Throws `bad-pem`, `bad-certificate`. */
export function readCertificates(pem: string): readonly Certificate[] {
  return pemDecode('CERTIFICATE', pem).map(readCertificateDer);
}

/**
 * TLSInfo as the Docker API shows it: the trusted root(s) as PEM, and subject and key of the
 * certificate that issues. For the cluster `issuerPem` is the current root; for a node it is the root
 * that signed the node's certificate, which is how `docker swarm ca --rotate` counts renewed nodes.
 */
export function tlsInfo(trustRootPem: string, issuerPem: string): TlsInfo {
  const issuer = readCertificate(issuerPem);
  return {
    TrustRoot: trustRootPem,
    CertIssuerSubject: issuer.subjectDer.toString('base64'),
    CertIssuerPublicKey: issuer.publicKeyDer.toString('base64'),
  };
}

/**
 * TLSInfo of a node: who of the roots that it trusts has issued its certificate, and the first of them, which is the
 * cluster's present root (`trustedRootsPem`). Throws `bad-certificate` if none of them has.
 */
export function nodeTlsInfo(certificatePem: string, rootsPem: string): TlsInfo {
  const roots = readCertificates(rootsPem);
  const issuer = issuerAmong(readCertificate(certificatePem), roots);
  const [present] = roots;
  if (issuer === undefined || present === undefined)
    throw new PkiError('bad-certificate', 'no trusted root has issued the certificate');
  return tlsInfo(
    pemEncode('CERTIFICATE', present.x509.raw),
    pemEncode('CERTIFICATE', issuer.x509.raw),
  );
}

/** Names do not tell roots apart (every generated one is `CN=swarm-ca`); signatures do. */
function issuerAmong(
  { issuerDer, x509 }: Certificate,
  roots: readonly Certificate[],
): Certificate | undefined {
  return roots.find(
    (root) => issuerDer.equals(root.subjectDer) && x509.verify(root.x509.publicKey),
  );
}

/** A certificate's pin as nats-server's `pinned_certs` wants it: SHA-256 of its SPKI, lower-case hex. */
export function publicKeyPin(certificatePem: string): string {
  return createHash('sha256').update(readCertificate(certificatePem).publicKeyDer).digest('hex');
}

function readCertificateDer(der: Buffer): Certificate {
  let x509: X509Certificate;
  try {
    x509 = new X509Certificate(der);
  } catch (cause) {
    throw new PkiError('bad-certificate', 'unreadable certificate', { cause });
  }
  // OpenSSL looks for PEM inside whatever it is given first. DER that hides a certificate as PEM would
  // make it read that one, so what is walked below must be what it has read (and will verify).
  if (!x509.raw.equals(der)) throw new PkiError('bad-certificate', 'ambiguous certificate');
  const [body] = readChildren(readDer(x509.raw), tags.sequence);
  const fields = readChildren(expectTag(body, tags.sequence), tags.sequence);
  // Version 1 has no version field; every other field but the extensions is always there.
  const first = fields[0]?.tag === contextTag(0) ? 1 : 0;
  const [, , issuer, validity, subject, spki, ...rest] = fields.slice(first);
  const [notBefore, notAfter] = readChildren(expectTag(validity, tags.sequence), tags.sequence);
  if (notBefore === undefined || notAfter === undefined)
    throw new PkiError('bad-certificate', 'no validity');
  const names = readName(expectTag(subject, tags.sequence));
  const unit = only(names.get(oidHex.unit));
  return {
    x509,
    nodeId: only(names.get(oidHex.commonName)),
    role: unit === undefined ? undefined : roleOfUnit(unit),
    clusterId: only(names.get(oidHex.organization)),
    notBeforeMs: readTime(notBefore),
    notAfterMs: readTime(notAfter),
    isCa: x509.ca,
    subjectDer: expectTag(subject, tags.sequence).raw,
    issuerDer: expectTag(issuer, tags.sequence).raw,
    publicKeyDer: expectTag(spki, tags.sequence).raw,
    subjectKeyId: readSubjectKeyId(rest.find((field) => field.tag === contextTag(3))),
  };
}

function only(values: readonly string[] | undefined): string | undefined {
  return values?.length === 1 ? values[0] : undefined;
}

/** Attribute values of a name by the hex of their type; kinds of string that we never write are ''. */
function readName(name: Der): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const relative of readChildren(name, tags.sequence)) {
    for (const attribute of readChildren(relative, tags.set)) {
      const [type, value] = readChildren(attribute, tags.sequence);
      if (type === undefined || value === undefined)
        throw new PkiError('bad-certificate', 'malformed name');
      const key = type.content.toString('hex');
      found.set(key, [...(found.get(key) ?? []), nameText(value)]);
    }
  }
  return found;
}

function nameText(value: Der): string {
  const known = [tags.utf8, tags.printable, tags.ia5].some((tag) => tag === value.tag);
  return known ? value.content.toString('utf8') : '';
}

function readSubjectKeyId(extensions: Der | undefined): Buffer | undefined {
  if (extensions === undefined) return undefined;
  const [list] = readChildren(extensions, contextTag(3));
  for (const extension of readChildren(expectTag(list, tags.sequence), tags.sequence)) {
    const parts = readChildren(extension, tags.sequence);
    if (parts[0]?.content.toString('hex') !== oidHex.subjectKeyId) continue;
    // The last part, since `critical` may stand between.
    const wrapped = expectTag(parts.at(-1), tags.octetString);
    return expectTag(readDer(wrapped.content), tags.octetString).content;
  }
  return undefined;
}
