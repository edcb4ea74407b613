import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Issued, JoinAsk, RejoinAsk } from '../api/join-listener.ts';
import type { Manager } from '../actors/manager/manager.ts';
import { membershipOf } from '../domain/ca/membership.ts';
import { issuedKeys, unknownKey } from '../domain/assign/issued-keys.ts';
import { certificateLifeMs, signingOf, trustedRootsPem } from '../domain/ca/signing.ts';
import { roleOfToken } from '../domain/commands/join.ts';
import { errorText, Fault } from '../domain/errors.ts';
import { joinsPerS } from '../domain/spec/cluster-labels.ts';
import { idFromBytes } from '../domain/ids.ts';
import type { Cluster, Node } from '../domain/model/objects.ts';
import type { NodeRole } from '../domain/model/spec.ts';
import {
  Authority,
  type AuthorityMaterial,
  caTools,
  type CfsslConnect,
  checkRejoin,
  pinOfKey,
  PkiError,
  readRequest,
  signExternally,
  tokenMatches,
  verifyNodeCertificate,
} from '../pki/mod.ts';
import type { Clock } from '../supervisors/clock.ts';

export interface CertificateIssuerOptions {
  readonly manager: Manager;
  readonly now: () => number;
  readonly clock: Pick<Clock, 'setTimeout'>;
  /** Resolves when one more new node may be let in, of so many a second. Throws a Fault that says to come again. */
  readonly turn: (perS: number) => Promise<void>;
  /** The way to external CAs. */
  readonly connect: CfsslConnect;
  readonly onCaFailure: (url: string, error: unknown) => void;
}

/**
 * Joins that come within this are committed in one record, ms. A record costs more than all else about a join, and
 * machines that are started together come one by one.
 */
const gatherMs = 20;

/**
 * Gives certificates. A stranger's way: token, request, a signature, a committed record, and only then the certificate
 * leaves; who gets none, because an external CA says no, leaves no node behind. A member's: its old certificate, which
 * must be in force and its node not removed; the new one has the node's role of now.
 */
export class CertificateIssuer {
  readonly #options: CertificateIssuerOptions;
  /** Made once: reading a key takes long against signing with it. */
  #authority: { readonly of: Cluster; readonly authority: Authority } | undefined;
  #gathering: Promise<void> | undefined;

  constructor(options: CertificateIssuerOptions) {
    this.#options = options;
  }

  async admit(ask: JoinAsk, peer: string): Promise<Issued> {
    const cluster = await this.#cluster();
    const asked = roleOfToken(cluster, ask.token, tokenMatches);
    const publicKey = keyOf(ask.request);
    const nodeId = idFromBytes(createHash('sha256').update(spkiOf(publicKey)).digest());
    if (this.#options.manager.view().node(nodeId) === undefined)
      await this.#options.turn(joinsPerS(cluster.spec.Labels ?? {}));
    const [certificate] = await Promise.all([
      this.#sign(cluster, nodeId, asked, { pem: ask.request, publicKey }),
      this.#gathered(),
    ]);
    const { result } = await this.#options.manager.command('node.join', {
      nodeId,
      token: ask.token,
      pin: pinOfKey(publicKey),
      key: spkiText(publicKey),
      availability: ask.availability,
      labels: ask.labels,
      addr: ask.addr === '' ? peer.replace(/^::ffff:|%.*$/g, '') : ask.addr,
    });
    const { role } = result as Pick<Issued, 'role'>;
    return this.#grant({ nodeId, clusterId: cluster.id, role, certificate });
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
    const held = new X509Certificate(certificate).publicKey;
    return this.#renewed(cluster, node, request, (publicKey) =>
      this.#options.manager.command('node.pin', { nodeId: node.id, ...keysOf(publicKey, held) }),
    );
  }

  /** A member that was lost: a token for its role, and a proof by a key that it was given a certificate for. */
  async rejoin(ask: RejoinAsk, channel: string): Promise<Issued> {
    const cluster = await this.#cluster();
    const { token, nodeId, proof } = ask;
    roleOfToken(cluster, token, tokenMatches);
    const node = this.#options.manager.view().node(nodeId);
    const claim = { clusterId: cluster.id, nodeId, channel, requestPem: ask.request };
    const held = (node === undefined ? [] : issuedKeys(node))
      .map(({ key }) => Buffer.from(key, 'base64'))
      .find((key) => checkRejoin(claim, proof, key));
    if (node === undefined || held === undefined) throw unknownKey();
    const heldKey = createPublicKey({ key: held, format: 'der', type: 'spki' });
    return this.#renewed(cluster, node, ask.request, (publicKey) =>
      this.#options.manager.command('node.rejoin', {
        nodeId,
        token,
        ...keysOf(publicKey, heldKey),
      }),
    );
  }

  /**
   * @param note commits the key that is asked for before its certificate leaves: by it the node comes back, and other
   * managers' servers must know a manager's before it is used
   */
  async #renewed(
    cluster: Cluster,
    { id: nodeId, role }: Node,
    request: string,
    note: (publicKey: KeyObject) => Promise<unknown>,
  ): Promise<Issued> {
    const publicKey = keyOf(request);
    await note(publicKey);
    const certificate = await this.#sign(cluster, nodeId, role, { pem: request, publicKey });
    return this.#grant({ nodeId, clusterId: cluster.id, role, certificate });
  }

  #gathered(): Promise<void> {
    return (this.#gathering ??= new Promise((resolve) => {
      this.#options.clock.setTimeout(() => {
        this.#gathering = undefined;
        resolve();
      }, gatherMs);
    }));
  }

  async #cluster(): Promise<Cluster> {
    const cluster = (await this.#options.manager.read()).cluster();
    if (cluster === undefined) throw new Fault('Unavailable', 'there is no cluster yet');
    return cluster;
  }

  async #sign(
    cluster: Cluster,
    nodeId: string,
    role: NodeRole,
    { pem, publicKey }: Request,
  ): Promise<string> {
    const { now, connect, onCaFailure } = this.#options;
    const signing = signingOf(cluster, caTools(now).normalize);
    if (signing.by === 'key')
      return this.#authorityOf(cluster, signing.material).signNode({
        nodeId,
        role,
        publicKey,
        validityMs: certificateLifeMs(cluster),
        nowMs: now(),
      });
    const request = { nodeId, role, clusterId: cluster.id, requestPem: pem };
    try {
      return await signExternally(connect, signing, request, now, onCaFailure);
    } catch (error) {
      throw new Fault('Unavailable', `no external CA signs: ${errorText(error)}`);
    }
  }

  #grant(issued: Omit<Issued, 'roots' | 'managers'>): Issued {
    const { roots, managers } = membershipOf(this.#options.manager.view()) ?? {
      roots: '',
      managers: [],
    };
    return { ...issued, roots, managers };
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

/** Read and checked once; only an external CA wants the text. */
interface Request {
  readonly pem: string;
  readonly publicKey: ReturnType<typeof readRequest>;
}

const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const spkiText = (key: KeyObject): string => spkiOf(key).toString('base64');

/** A key that is asked for and the one in use, as commands have them. */
const keysOf = (asked: KeyObject, held: KeyObject) => ({
  key: spkiText(asked),
  heldKey: spkiText(held),
  pin: pinOfKey(asked),
  held: pinOfKey(held),
});

const pemOf = (der: Buffer): string => new X509Certificate(der).toString();

function keyOf(request: string): Request['publicKey'] {
  try {
    return readRequest(request);
  } catch (error) {
    if (error instanceof PkiError) throw new Fault('InvalidArgument', `CSR: ${error.message}`);
    throw error;
  }
}
