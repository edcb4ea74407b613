import { createPublicKey } from 'node:crypto';
import { FileJournal } from '../bus/journal/journal.ts';
import { Replica } from '../actors/manager/replica.ts';
import { authorityOf, certificateLifeMs, trustedRootsPem } from '../domain/ca/signing.ts';
import type { Node } from '../domain/model/objects.ts';
import type { View } from '../domain/store/view.ts';
import { Authority, privateKeyFromPem, publicKeyPin, readCertificate } from '../pki/mod.ts';
import type { LogEvent } from './log.ts';
import type { Identity } from '../actors/node/identity.ts';
import type { Certificates, NodeFiles } from './node-files.ts';

export const hasExpired = (files: NodeFiles): boolean =>
  readCertificate(files.certificate('node')).notAfterMs < Date.now();

/** What the state knows a manager by that has given itself its first certificate. */
export const keysOfCertificate = (pem: string): Pick<Node, 'keys' | 'pins'> => ({
  keys: [{ key: readCertificate(pem).publicKeyDer.toString('base64'), seenAt: Date.now() }],
  pins: [publicKeyPin(pem)],
});

/**
 * A certificate that a manager gives itself, for the key that it has, which other managers know it by: the root's key is
 * in its store. Undefined if external CAs have it.
 */
export function ownCertificate(
  view: View,
  { nodeId }: Identity,
  key: string,
): Certificates | undefined {
  const cluster = view.cluster();
  if (cluster === undefined) return undefined;
  const material = authorityOf(cluster);
  if (material === undefined || view.node(nodeId)?.role !== 'manager') return undefined;
  const node = new Authority(material).signNode({
    nodeId,
    role: 'manager',
    publicKey: createPublicKey(privateKeyFromPem(key)),
    validityMs: certificateLifeMs(cluster),
    nowMs: Date.now(),
  });
  return { node, key, root: trustedRootsPem(cluster) };
}

/**
 * Before a manager starts: one that was off for longer than its certificate lives could not reach its own server. What
 * the cluster is, its journal knows.
 */
export async function mendCertificate(
  files: NodeFiles,
  identity: Identity,
  report: LogEvent,
): Promise<void> {
  if (!hasExpired(files)) return;
  const { generation } = identity;
  const journal = new FileJournal({
    dir: files.path('journal', String(generation)),
    key: Buffer.from(files.mustKeys().dataKey, 'hex'),
    generation,
  });
  const { store } = await Replica.open(journal);
  await journal.close();
  const own = ownCertificate(store, identity, files.certificate('key'));
  if (own !== undefined) files.writeCertificates(own);
  if (own === undefined) report('certificate_expired', {}, 'warn');
  else report('certificate_mended', {});
}
