import { createHash, X509Certificate } from 'node:crypto';
import type { Issued, JoinAsk } from '../api/join-listener.ts';
import type { Manager } from '../actors/manager/manager.ts';
import { membershipOf } from '../domain/assign/membership.ts';
import { signingOf, trustedRootsPem } from '../domain/ca/signing.ts';
import { roleOfToken } from '../domain/commands/join.ts';
import { Fault } from '../domain/errors.ts';
import { idFromBytes } from '../domain/ids.ts';
import type { Cluster } from '../domain/model/objects.ts';
import type { NodeRole } from '../domain/model/spec.ts';
import {
  Authority,
  type AuthorityMaterial,
  caTools,
  type CfsslConnect,
  PkiError,
  readRequest,
  signExternally,
  tokenMatches,
  verifyNodeCertificate,
} from '../pki/mod.ts';

export interface DeskOptions {
  readonly manager: Manager;
  readonly now: () => number;
  /** The way to external CAs. */
  readonly connect: CfsslConnect;
  readonly onCaFailure: (url: string, error: unknown) => void;
}

/**
 * Gives certificates. A stranger's way: token, request, a committed record, a certificate, in this order. A member's:
 * its old certificate, which must be in force and its node not removed; the new one has the node's role of now.
 */
export class JoinDesk {
  readonly #options: DeskOptions;
  /** Made once: reading a key takes long against signing with it. */
  #authority: { readonly of: Cluster; readonly authority: Authority } | undefined;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  async admit(ask: JoinAsk, peer: string): Promise<Issued> {
    const cluster = await this.#cluster();
    roleOfToken(cluster, ask.token, tokenMatches);
    const publicKey = keyOf(ask.request);
    const nodeId = idFromBytes(
      createHash('sha256')
        .update(publicKey.export({ type: 'spki', format: 'der' }))
        .digest(),
    );
    const { result } = await this.#options.manager.command('node.join', {
      nodeId,
      token: ask.token,
      availability: ask.availability,
      addr: ask.addr === '' ? peer.replace(/^::ffff:/, '') : ask.addr,
    });
    return this.#issue(cluster, nodeId, (result as Pick<Issued, 'role'>).role, ask.request);
  }

  async renew(request: string, certificate: Buffer): Promise<Issued> {
    const cluster = await this.#cluster();
    const verified = verifyNodeCertificate(
      pemOf(certificate),
      trustedRootsPem(cluster),
      cluster.id,
      this.#options.now(),
    );
    if (!verified.ok)
      throw new Fault('Unauthenticated', `the certificate is refused: ${verified.reason}`);
    const node = this.#options.manager.view().node(verified.nodeId);
    if (node === undefined || verified.role === 'client')
      throw new Fault('PermissionDenied', `node ${verified.nodeId} is not in the cluster`);
    keyOf(request);
    return this.#issue(cluster, node.id, node.role, request);
  }

  async #cluster(): Promise<Cluster> {
    const cluster = (await this.#options.manager.read()).cluster();
    if (cluster === undefined) throw new Fault('Unavailable', 'there is no cluster yet');
    return cluster;
  }

  async #issue(cluster: Cluster, nodeId: string, role: NodeRole, request: string): Promise<Issued> {
    const { manager, now, connect, onCaFailure } = this.#options;
    const signing = signingOf(cluster, caTools(now).normalize);
    const certificate =
      signing.by === 'key'
        ? this.#authorityOf(cluster, signing.material).signNode({
            nodeId,
            role,
            requestPem: request,
            validityMs: cluster.spec.CAConfig.NodeCertExpiry / 1e6,
            nowMs: now(),
          })
        : await signExternally(
            connect,
            signing,
            { nodeId, role, clusterId: cluster.id, requestPem: request },
            now,
            onCaFailure,
          );
    const { roots, managers } = membershipOf(manager.view()) ?? { roots: '', managers: [] };
    return { nodeId, clusterId: cluster.id, role, certificate, roots, managers };
  }

  #authorityOf(cluster: Cluster, material: AuthorityMaterial): Authority {
    const held = this.#authority;
    if (held?.of.rootCa === cluster.rootCa && held.of.rootRotation === cluster.rootRotation)
      return held.authority;
    const authority = new Authority(material);
    this.#authority = { of: cluster, authority };
    return authority;
  }
}

const pemOf = (der: Buffer): string => new X509Certificate(der).toString();

function keyOf(request: string): ReturnType<typeof readRequest> {
  try {
    return readRequest(request);
  } catch (error) {
    if (error instanceof PkiError) throw new Fault('InvalidArgument', `CSR: ${error.message}`);
    throw error;
  }
}
