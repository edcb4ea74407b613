import type { KeyObject } from 'node:crypto';
import { type Certificate, readCertificate, readCertificates } from './certificate-reader.ts';
import { PkiError } from './errors.ts';
import { isIdentityName, type Role } from './identity.ts';

/** Why a certificate is refused. For logs and tests; a stranger is told nothing but "refused". */
export type Refusal =
  | 'malformed'
  | 'unknown-role'
  | 'bad-name'
  | 'wrong-cluster'
  | 'not-yet-valid'
  | 'expired'
  | 'is-a-ca'
  | 'not-for-clients'
  | 'unknown-issuer'
  | 'issuer-not-a-ca'
  | 'issuer-out-of-date'
  | 'bad-signature';

export type Verification =
  | {
      readonly ok: true;
      readonly nodeId: string;
      readonly role: Role;
      readonly notAfterMs: number;
      readonly certificate: Certificate;
    }
  | { readonly ok: false; readonly reason: Refusal };

/** Roots read once, for many verifications. During a root rotation it holds the old and the new one. */
export interface TrustedRoots {
  readonly roots: readonly { readonly certificate: Certificate; readonly key: KeyObject }[];
}

const clientAuth = '1.3.6.1.5.5.7.3.2';

/** Reads a bundle of roots. Throws `bad-pem` or `bad-certificate`: the bundle is ours, not a stranger's. */
export function trustRoots(rootsPem: string): TrustedRoots {
  return {
    roots: readCertificates(rootsPem).map((certificate) => ({
      certificate,
      key: certificate.x509.publicKey,
    })),
  };
}

/**
 * Decides whether a certificate (the first of `pem`) is one of this cluster's at `nowMs`, and whose.
 * It must be signed directly by one of the roots, which must be a CA and in date; a certificate made
 * under a cross-signed root is verified with the new root itself in the set. Never throws for what
 * is in `pem`; throws like `trustRoots` if `roots` is text and unreadable. For the callout pass
 * `trustRoots(…)`, so the roots are not read again on each connection.
 */
export function verifyNodeCertificate(
  pem: string,
  roots: string | TrustedRoots,
  clusterId: string,
  nowMs: number,
): Verification {
  const trusted = typeof roots === 'string' ? trustRoots(roots) : roots;
  let certificate: Certificate;
  try {
    certificate = readCertificate(pem);
  } catch (error) {
    if (error instanceof PkiError) return { ok: false, reason: 'malformed' };
    throw error;
  }
  const { nodeId, role, notAfterMs } = certificate;
  const reason = refuse(certificate, clusterId, nowMs) ?? refuseIssuer(certificate, trusted, nowMs);
  if (reason !== undefined) return { ok: false, reason };
  if (role === undefined) return { ok: false, reason: 'unknown-role' };
  if (nodeId === undefined || !isIdentityName(nodeId)) return { ok: false, reason: 'bad-name' };
  return { ok: true, nodeId, role, notAfterMs, certificate };
}

/** What the certificate says of itself; cheap, and before the signature. */
function refuse(certificate: Certificate, clusterId: string, nowMs: number): Refusal | undefined {
  if (certificate.clusterId !== clusterId) return 'wrong-cluster';
  if (nowMs < certificate.notBeforeMs) return 'not-yet-valid';
  if (nowMs > certificate.notAfterMs) return 'expired';
  if (certificate.isCa) return 'is-a-ca';
  // Node's typings leave out that a certificate without the extension has none.
  const usages = certificate.x509.keyUsage as readonly string[] | undefined;
  if (usages?.includes(clientAuth) !== true) return 'not-for-clients';
  return undefined;
}

/** The best any root can say: accepted by one, or else the reason of the one that came closest. */
function refuseIssuer(
  certificate: Certificate,
  trusted: TrustedRoots,
  nowMs: number,
): Refusal | undefined {
  let reason: Refusal = 'unknown-issuer';
  for (const { certificate: root, key } of trusted.roots) {
    // Two roots of one name (every generated root is `CN=swarm-ca`) are told apart by key ID or signature.
    if (!certificate.issuerDer.equals(root.subjectDer)) continue;
    if (!root.isCa) reason = 'issuer-not-a-ca';
    else if (!certificate.x509.checkIssued(root.x509)) continue;
    else if (nowMs < root.notBeforeMs || nowMs > root.notAfterMs) reason = 'issuer-out-of-date';
    else if (!certificate.x509.verify(key)) reason = 'bad-signature';
    else return undefined;
  }
  return reason;
}
