import type { LocalCaTools } from '../domain/ca/ports.ts';
import { crossSignRoot, issueRoot, makeIssuer } from './certificate.ts';
import { PkiError } from './errors.ts';
import { generateKeys, privateKeyFromPem, privateKeyToPem } from './keys.ts';
import { hasOnlyCertificates, normalizeCertificates } from './pem.ts';
import { issuerOf, readUserRoot } from './user-root.ts';

/** What decisions about the CA need of cryptography; `nowMs` is asked on every use. */
export function caTools(nowMs: () => number): LocalCaTools {
  return {
    normalize: (pem) =>
      hasOnlyCertificates(pem) ? orElse('', () => normalizeCertificates(pem)) : pem.trim(),
    newRoot() {
      const { privateKey } = generateKeys();
      return {
        certPem: issueRoot({ key: privateKey, nowMs: nowMs() }),
        keyPem: privateKeyToPem(privateKey),
      };
    },
    readRoot: (certPem, keyPem) => readUserRoot(certPem, keyPem, nowMs()),
    issuerOf,
    crossSign: (signer, certPem) =>
      orElse(undefined, () =>
        crossSignRoot(makeIssuer(signer.certPem, privateKeyFromPem(signer.keyPem)), certPem),
      ),
  };
}

function orElse<T>(otherwise: T, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof PkiError) return otherwise;
    throw error;
  }
}
