import { createHash, type KeyObject, X509Certificate } from 'node:crypto';

/** Digest of a public key as nats-server's `pinned_certs` wants it: SHA-256 of the SubjectPublicKeyInfo, hex. */
export const pinOfKey = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');

/** As `pinOfKey`, of the (first) certificate of a PEM text. */
export const pinOf = (certificatePem: string): string =>
  pinOfKey(new X509Certificate(certificatePem).publicKey);
