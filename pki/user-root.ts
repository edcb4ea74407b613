/** Roots that users bring: RSA or EC, checked as swarmkit checks them, with its texts. */
import type { Issuer, RootReading } from '../domain/ca/ports.ts';
import { type Certificate, readCertificate, readCertificates } from './certificate-reader.ts';
import { expectTag, readChildren, readDer, tags } from './der.ts';
import { PkiError } from './errors.ts';
import { hasOnlyCertificates } from './pem.ts';
import { privateKeyFromPem, privateKeyToPem, signatureScheme } from './keys.ts';

/** Signature algorithms of a root, by the hex of their identifier: those that count, and names of others. */
const accepted: ReadonlySet<string> = new Set([
  '2a864886f70d01010b',
  '2a864886f70d01010c',
  '2a864886f70d01010d',
  '2a8648ce3d040302',
  '2a8648ce3d040303',
  '2a8648ce3d040304',
]);
const otherNames: ReadonlyMap<string, string> = new Map([
  ['2a864886f70d010104', 'MD5-RSA'],
  ['2a864886f70d010105', 'SHA1-RSA'],
  ['2a8648ce3d0401', 'ECDSA-SHA1'],
  ['2b6570', 'Ed25519'],
]);

const invalidRoot = 'error while validating Root CA Certificate';
/** cfssl's error codes, which swarmkit shows as they are. */
const unreadable =
  'invalid root certificates: {"code":1003,"message":"Failed to parse certificate"}';
const keyDecodeFailed = '{"code":2002,"message":"Failed to decode private key"}';
const keyParseFailed = '{"code":2003,"message":"Failed to parse private key"}';

/** Subject and key of a certificate, for comparing who has issued what. Throws `bad-pem`, `bad-certificate`. */
export function issuerOf(pem: string): Issuer {
  const { subjectDer, publicKeyDer } = readCertificate(pem);
  return { subject: subjectDer.toString('base64'), publicKey: publicKeyDer.toString('base64') };
}

/** `keyPem` is '' where external CAs have the key. Never throws for what users give. */
export function readUserRoot(certPem: string, keyPem: string, nowMs: number): RootReading {
  let certificates: readonly Certificate[];
  try {
    if (!hasOnlyCertificates(certPem)) return { ok: false, text: unreadable };
    certificates = readCertificates(certPem);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return { ok: false, text: unreadable };
  }
  const [root] = certificates;
  const text = certificates.map((one) => refuseRoot(one, nowMs)).find((one) => one !== undefined);
  if (text !== undefined) return { ok: false, text };
  if (root === undefined) return { ok: false, text: 'no valid root CA certificates found' };
  const key = keyPem === '' ? { ok: true as const, keyPem } : readKey(root, keyPem);
  if (!key.ok) return key;
  return {
    ok: true,
    issuer: issuerOf(certPem),
    notAfter: root.notAfterMs,
    certificates: certificates.length,
    keyPem: key.keyPem,
  };
}

/**
 * Go takes any certificate that it is told to trust for a root. Here it must have signed itself: Node's TLS refuses a
 * chain that ends anywhere else.
 */
function refuseRoot(root: Certificate, nowMs: number): string | undefined {
  const algorithm = algorithmOf(root);
  if (!accepted.has(algorithm))
    return `unsupported signature algorithm: ${otherNames.get(algorithm) ?? '0'}`;
  if (nowMs < root.notBeforeMs || nowMs > root.notAfterMs)
    return `${invalidRoot}: x509: certificate has expired or is not yet valid: ${whenText(root, nowMs)}`;
  const { x509 } = root;
  if (!x509.checkIssued(x509) || !x509.verify(x509.publicKey))
    return `${invalidRoot}: x509: certificate signed by unknown authority`;
  return refuseKind(root);
}

const goTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

const whenText = ({ notBeforeMs, notAfterMs }: Certificate, nowMs: number): string =>
  nowMs > notAfterMs
    ? `current time ${goTime(nowMs)} is after ${goTime(notAfterMs)}`
    : `current time ${goTime(nowMs)} is before ${goTime(notBeforeMs)}`;

function algorithmOf({ x509 }: Certificate): string {
  const [, algorithm] = readChildren(readDer(x509.raw), tags.sequence);
  const [oid] = readChildren(expectTag(algorithm, tags.sequence), tags.sequence);
  return expectTag(oid, tags.oid).content.toString('hex');
}

function refuseKind({ x509 }: Certificate): string | undefined {
  const { publicKey } = x509;
  try {
    signatureScheme(publicKey);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    if (publicKey.asymmetricKeyType === 'rsa') return 'unsupported RSA key parameters';
    const curve = publicKey.asymmetricKeyDetails?.namedCurve;
    if (curve === 'secp224r1') return 'unsupported ECDSA key parameters';
    // Go cannot even read a certificate with any other curve.
    if (publicKey.asymmetricKeyType === 'ec') return unreadable;
    return 'unknown or unsupported certificate public key algorithm';
  }
  return undefined;
}

type KeyReading = { readonly ok: true; readonly keyPem: string } | { ok: false; text: string };

function readKey(root: Certificate, keyPem: string): KeyReading {
  let key;
  try {
    key = privateKeyFromPem(keyPem);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    const why = keyPem.includes('-----BEGIN ') ? keyParseFailed : keyDecodeFailed;
    return { ok: false, text: `malformed private key: ${why}` };
  }
  if (!root.x509.checkPrivateKey(key)) return { ok: false, text: 'certificate key mismatch' };
  return { ok: true, keyPem: privateKeyToPem(key) };
}
