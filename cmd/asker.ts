import { X509Certificate } from 'node:crypto';
import type { Asker } from '../actors/node/log-place/log-join-server.ts';
import { trustedRootsPem } from '../domain/ca/signing.ts';
import { Fault } from '../domain/errors.ts';
import type { View } from '../domain/store/view.ts';
import { publicKeyPin, verifyNodeCertificate } from '../pki/mod.ts';

/** Whose certificate (DER) a connection has shown and proved. Throws a `Fault` for one that is no manager's of this cluster. */
export function askerOf(certificate: Buffer, view: View, nowMs: number): Asker {
  const cluster = view.cluster();
  if (cluster === undefined) throw new Fault('Unavailable', 'there is no cluster yet');
  const pem = new X509Certificate(certificate).toString();
  const verified = verifyNodeCertificate(pem, trustedRootsPem(cluster), cluster.id, nowMs);
  if (!verified.ok)
    throw new Fault('Unauthenticated', `the certificate is refused: ${verified.reason}`);
  const { nodeId, role } = verified;
  if (role !== 'manager')
    throw new Fault('PermissionDenied', `node ${nodeId} has no manager's certificate`);
  return { nodeId, pin: publicKeyPin(pem) };
}
