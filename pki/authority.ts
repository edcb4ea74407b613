import type { KeyObject } from 'node:crypto';
import {
  crossSignRoot,
  type Issuer,
  issueNodeCertificate,
  issueRoot,
  makeIssuer,
} from './certificate.ts';
import { type Role, requireIdentityName } from './identity.ts';
import { generateKeys, privateKeyFromPem, privateKeyToPem } from './keys.ts';
import { normalizeCertificates, pemDecodeOne, pemEncode } from './pem.ts';
import { readRequest } from './request.ts';

/** What a CA is made from, as it is kept in the state log; the key is a secret. */
export interface AuthorityMaterial {
  readonly clusterId: string;
  /** The one certificate that issues; a bundle is refused, as in Swarm. */
  readonly rootCertPem: string;
  readonly rootKeyPem: string;
  /** While a root rotation runs: the root cross-signed by the old one, sent along with every certificate. */
  readonly intermediatePem?: string;
}

/** Who gets a certificate; the key comes by request (a stranger's) or as it is (our own). */
export type SignOptions = {
  readonly nodeId: string;
  readonly role: Role;
  readonly validityMs: number;
  readonly nowMs: number;
} & ({ readonly publicKey: KeyObject } | { readonly requestPem: string });

/** A fresh root for a new cluster, or for `swarm ca --rotate`: P-256, 20 years. Throws `bad-name`. */
export function createCluster(options: {
  readonly clusterId: string;
  readonly nowMs: number;
}): AuthorityMaterial {
  requireIdentityName('cluster ID', options.clusterId);
  const { privateKey } = generateKeys();
  return {
    clusterId: options.clusterId,
    rootCertPem: issueRoot({ key: privateKey, nowMs: options.nowMs }),
    rootKeyPem: privateKeyToPem(privateKey),
  };
}

/** A CA ready to sign: material read and checked once, used for many certificates. */
export class Authority {
  readonly clusterId: string;
  readonly rootCertPem: string;
  readonly #issuer: Issuer;
  readonly #intermediatePem: string;

  /**
   * The key must be the certificate's and the certificate a CA's. Throws `bad-pem`, `bad-certificate`,
   * `not-a-ca`, `bad-key`, `key-mismatch`, `bad-name`.
   */
  constructor(material: AuthorityMaterial) {
    requireIdentityName('cluster ID', material.clusterId);
    this.clusterId = material.clusterId;
    this.rootCertPem = pemEncode('CERTIFICATE', pemDecodeOne('CERTIFICATE', material.rootCertPem));
    this.#issuer = makeIssuer(this.rootCertPem, privateKeyFromPem(material.rootKeyPem));
    this.#intermediatePem =
      material.intermediatePem === undefined ? '' : normalizeCertificates(material.intermediatePem);
  }

  /**
   * A certificate as PEM, followed by the intermediate while a rotation runs. Name, role and validity
   * are the caller's decision; a request gives its key only. Throws `bad-request`, `bad-key`, `bad-pem`,
   * `bad-der` for a bad request, `bad-name`, `bad-validity` for bad arguments.
   */
  signNode(options: SignOptions): string {
    const publicKey = 'requestPem' in options ? readRequest(options.requestPem) : options.publicKey;
    const leaf = issueNodeCertificate({
      issuer: this.#issuer,
      publicKey,
      nodeId: options.nodeId,
      role: options.role,
      clusterId: this.clusterId,
      nowMs: options.nowMs,
      validityMs: options.validityMs,
    });
    return leaf + this.#intermediatePem;
  }

  /** The new root as an intermediate of this one; see `crossSignRoot`. */
  crossSign(newRootPem: string): string {
    return crossSignRoot(this.#issuer, newRootPem);
  }
}
