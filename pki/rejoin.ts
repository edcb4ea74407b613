/**
 * The proof by which a node whose certificate has expired, or is of a root that is gone, keeps its identity when it
 * comes back with a join token: a signature of the key of its last certificate (docs/pki.md, "The way back").
 */
import { createHash, type KeyObject, sign, verify } from 'node:crypto';
import { PkiError } from './errors.ts';
import { acceptPublicKey, signatureScheme } from './keys.ts';
import { pemDecodeOne } from './pem.ts';

/** What the signature is bound to: nothing of it can be used for another node, cluster, key or attempt. */
export interface RejoinClaim {
  readonly clusterId: string;
  readonly nodeId: string;
  /** Of the connection, known to its two ends; see `rejoinChannel`. */
  readonly channel: string;
  /** The request for the new certificate, with its own signature by the new key. */
  readonly requestPem: string;
}

/** A connection whose two ends can both tell what no other one is. */
export interface Channel {
  getProtocol(): string | null;
  exportKeyingMaterial(length: number, label: string, context: Buffer): Buffer;
}
const channelLabel = 'EXPORTER-natswarm-rejoin';
const channelBytes = 32;
/** A DER signature of RSA-8192 has 1 KiB. */
const proofCharsMax = 2_048;

/** What names this one TLS connection, base64url: a proof made on it is good on no other. Throws `bad-request`. */
export function rejoinChannel(socket: Channel): string {
  // Before 1.3 two connections can be made to have the same.
  if (socket.getProtocol() !== 'TLSv1.3') throw new PkiError('bad-request', 'TLS 1.3 is needed');
  return socket
    .exportKeyingMaterial(channelBytes, channelLabel, Buffer.alloc(0))
    .toString('base64url');
}

function messageOf({ clusterId, nodeId, channel, requestPem }: RejoinClaim): Buffer {
  const request = createHash('sha256').update(pemDecodeOne('CERTIFICATE REQUEST', requestPem));
  // As JSON no field can run into the next.
  const fields = ['natswarm rejoin 1', clusterId, nodeId, channel, request.digest('hex')];
  return Buffer.from(JSON.stringify(fields));
}

/** The node's proof, base64. Throws `bad-key`, `bad-pem`. */
export const proveRejoin = (claim: RejoinClaim, lastKey: KeyObject): string =>
  sign(signatureScheme(lastKey).digest, messageOf(claim), lastKey).toString('base64');

/**
 * Whether the holder of the last certificate's key (DER of its public half) made this claim. Never throws for what the
 * node sends, nor for what it has said of its key.
 */
export function checkRejoin(claim: RejoinClaim, proof: string, lastPublicKey: Buffer): boolean {
  if (proof.length > proofCharsMax) return false;
  const signature = Buffer.from(proof, 'base64');
  // Node's decoder skips what it does not know: a proof has one spelling.
  if (signature.toString('base64') !== proof) return false;
  try {
    const key = acceptPublicKey(lastPublicKey);
    return verify(signatureScheme(key).digest, messageOf(claim), key, signature);
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}
