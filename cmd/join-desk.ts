import { createHash } from 'node:crypto';
import type { JoinAsk, JoinGrant } from '../api/join-listener.ts';
import type { Manager } from '../actors/manager/manager.ts';
import { badTokenFault, roleOfToken } from '../domain/commands/join.ts';
import { Fault } from '../domain/errors.ts';
import { idFromBytes } from '../domain/ids.ts';
import type { Cluster } from '../domain/model/objects.ts';
import { Authority, PkiError, readRequest, tokenMatches } from '../pki/mod.ts';

export interface DeskOptions {
  readonly manager: Manager;
  /** `host:port` of this manager's bus, for other nodes. */
  readonly managers: () => JoinGrant['managers'];
  readonly now: () => number;
}

/** Lets nodes in: token, request, a committed record, a certificate, in this order. */
export function joinDesk({ manager, managers, now }: DeskOptions) {
  let authority: Authority | undefined;
  let material: Cluster['rootCa'] | undefined;
  /** Reading a key takes long against signing with it. */
  const authorityOf = (cluster: Cluster): Authority => {
    if (authority === undefined || material !== cluster.rootCa) {
      material = cluster.rootCa;
      authority = new Authority({
        clusterId: cluster.id,
        rootCertPem: material.certPem,
        rootKeyPem: material.keyPem,
      });
    }
    return authority;
  };
  return async (ask: JoinAsk, peer: string): Promise<JoinGrant> => {
    const cluster = (await manager.read()).cluster();
    if (cluster === undefined) throw badTokenFault();
    roleOfToken(cluster, ask.token, tokenMatches);
    const publicKey = keyOf(ask.request);
    const nodeId = idFromBytes(
      createHash('sha256')
        .update(publicKey.export({ type: 'spki', format: 'der' }))
        .digest(),
    );
    const { result } = await manager.command('node.join', {
      nodeId,
      token: ask.token,
      availability: ask.availability,
      addr: ask.addr === '' ? peer.replace(/^::ffff:/, '') : ask.addr,
    });
    const { role } = result as Pick<JoinGrant, 'role'>;
    return {
      nodeId,
      clusterId: cluster.id,
      role,
      certificate: authorityOf(cluster).signNode({
        nodeId,
        role,
        publicKey,
        validityMs: cluster.spec.CAConfig.NodeCertExpiry / 1e6,
        nowMs: now(),
      }),
      managers: managers(),
    };
  };
}

function keyOf(request: string): ReturnType<typeof readRequest> {
  try {
    return readRequest(request);
  } catch (error) {
    if (error instanceof PkiError) throw new Fault('InvalidArgument', `CSR: ${error.message}`);
    throw error;
  }
}
