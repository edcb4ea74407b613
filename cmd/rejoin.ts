import type { JoinRequest } from '../domain/members/requests.ts';
import { Fault } from '../domain/errors.ts';
import { createRequest, privateKeyFromPem } from '../pki/mod.ts';
import { firstOf } from '../actors/node/join/joining.ts';
import { rejoinThrough, tokenFrom } from './join-cluster.ts';
import type { Identity } from '../actors/node/identity.ts';
import type { NodeFiles } from './node-files.ts';

/**
 * Takes a member whose certificate opens nothing any more back into its cluster, as the node that it was: with a join
 * token and the key of its last certificate (docs/pki.md, "The way back"). Throws a Fault that begins with `otherwise`.
 */
export async function rejoin(
  files: NodeFiles,
  { nodeId, clusterId }: Identity,
  { joinToken, remoteAddrs }: JoinRequest,
  otherwise: string,
  signal: AbortSignal,
): Promise<void> {
  const token = tokenFrom(joinToken);
  const key = files.beginRenewal();
  const claim = { clusterId, nodeId, requestPem: createRequest(privateKeyFromPem(key)) };
  const lastKey = privateKeyFromPem(files.certificate('key'));
  try {
    const grant = await firstOf(remoteAddrs, (addr) =>
      rejoinThrough(addr, { token, text: joinToken }, claim, lastKey, signal),
    );
    files.writeCertificates({
      node: grant.certificate,
      key,
      root: grant.roots,
    });
    files.writeManagers(grant.managers);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const reason = `${otherwise} Its cluster does not let it back in: ${error.message}`;
    throw new Fault(error.code, reason, error.origin);
  }
}
