/**
 * The proof by which a node whose certificate has expired, or is of a root that is gone, keeps its identity when it
 * comes back with a join token: a signature of the key of its last certificate (docs/pki.md, "The way back").
 */
import { createHash, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { PkiError } from './errors.ts';
import { signatureScheme } from './keys.ts';
import { pemDecodeOne } from './pem.ts';

/** What the signature is bound to: nothing of it can be used for another node, cluster, key or attempt. */
export interface RejoinClaim {
  readonly clusterId: string;
  readonly nodeId: string;
  /** The manager's, for this attempt; see `newRejoinNonce`. */
  readonly nonce: string;
  /** The request for the new certificate, with its own signature by the new key. */
  readonly requestPem: string;
}

const nonceBytes = 32;
/** A DER signature of RSA-8192 has 1 KiB. */
const proofCharsMax = 2_048;

/** A fresh challenge, base64url. */
export const newRejoinNonce = (): string => randomBytes(nonceBytes).toString('base64url');

function messageOf({ clusterId, nodeId, nonce, requestPem }: RejoinClaim): Buffer {
  const request = createHash('sha256').update(pemDecodeOne('CERTIFICATE REQUEST', requestPem));
  // As JSON no field can run into the next.
  const fields = ['natswarm rejoin 1', clusterId, nodeId, nonce, request.digest('hex')];
  return Buffer.from(JSON.stringify(fields));
}

/** The node's proof, base64. Throws `bad-key`, `bad-pem`. */
export const proveRejoin = (claim: RejoinClaim, lastKey: KeyObject): string =>
  sign(signatureScheme(lastKey).digest, messageOf(claim), lastKey).toString('base64');

/** Whether the holder of the last certificate's key made this claim. Never throws for what the node sends. */
export function checkRejoin(claim: RejoinClaim, proof: string, lastPublicKey: KeyObject): boolean {
  if (proof.length > proofCharsMax) return false;
  const signature = Buffer.from(proof, 'base64');
  // Node's decoder skips what it does not know: a proof has one spelling.
  if (signature.toString('base64') !== proof) return false;
  try {
    const { digest } = signatureScheme(lastPublicKey);
    return verify(digest, messageOf(claim), lastPublicKey, signature);
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}
