// Whole rotations of small clusters, with real certificates: at every step all nodes of the cluster know each other.

import { expect, test } from '@jest/globals';
import { planRotation } from '../../../domain/ca/plan-rotation.ts';
import { authorityOf, trustedRootsPem } from '../../../domain/ca/signing.ts';
import { caAfter } from '../../../domain/ca/rotation.ts';
import type { Cluster } from '../../../domain/model/objects.ts';
import { Store } from '../../../domain/store/store.ts';
import {
  Authority,
  generateKeys,
  makeJoinToken,
  newJoinSecret,
  nodeTlsInfo,
  parseJoinToken,
  readCertificates,
  rootMatchesToken,
  verifyNodeCertificate,
} from '../../../pki/mod.ts';
import { randomBytesFrom } from '../pki/support.ts';
import { clusterWith, nodeOf, nothing, tools, wall } from './helpers.ts';

const clusterId = clusterWith().id;
const keys = generateKeys();

/** What a node has on its disk. */
interface Disk {
  readonly certificate: string;
  readonly roots: string;
}

class SmallCluster {
  readonly store: Store;
  readonly disks = new Map<string, Disk>();
  #now = wall;
  #forced = 0;

  constructor(nodes: number) {
    this.store = Store.load(1, { cluster: [clusterWith()], node: [], service: [], task: [] });
    for (let n = 0; n < nodes; n++) this.renew(`n${n}`);
  }

  get cluster(): Cluster {
    const cluster = this.store.cluster();
    if (cluster === undefined) throw new Error('no cluster');
    return cluster;
  }

  apply(changes: Parameters<Store['apply']>[0]['changes']): void {
    this.store.apply({ index: this.store.index + 1, at: this.#now, changes });
  }

  /** The node gets a certificate and the roots, and says so. */
  renew(nodeId: string): void {
    const material = authorityOf(this.cluster);
    if (material === undefined) throw new Error('no key');
    const certificate = new Authority(material).signNode({
      nodeId,
      role: 'worker',
      publicKey: keys.publicKey,
      validityMs: 90 * 86_400_000,
      nowMs: wall,
    });
    this.disks.set(nodeId, { certificate, roots: trustedRootsPem(this.cluster) });
    this.say(nodeId);
  }

  /** The node hears which roots there are, as nodes do that are connected. */
  hear(nodeId: string): void {
    const disk = this.disks.get(nodeId);
    if (disk === undefined) throw new Error('no such node');
    this.disks.set(nodeId, { ...disk, roots: trustedRootsPem(this.cluster) });
    this.say(nodeId);
  }

  say(nodeId: string): void {
    const { certificate, roots } = this.disks.get(nodeId) as Disk;
    const info = nodeTlsInfo(certificate, roots);
    const tls = {
      trustRoot: info.TrustRoot,
      issuerSubject: info.CertIssuerSubject,
      issuerPublicKey: info.CertIssuerPublicKey,
    };
    const { meta: _, description, ...node } = nodeOf(nodeId, '');
    if (description !== undefined)
      this.apply([
        { op: 'put', kind: 'node', object: { ...node, description: { ...description, tls } } },
      ]);
  }

  request(fields: { readonly signingCert?: string; readonly signingKey?: string }): void {
    const { cluster } = this;
    const forced = fields.signingCert === undefined ? ++this.#forced : this.#forced;
    const request = { ...nothing, ...fields, forceRotate: forced };
    const ca = caAfter(cluster, request, { now: this.#now, ca: tools() });
    const CAConfig = { ...cluster.spec.CAConfig, ForceRotate: forced };
    const cleared = { rootRotation: undefined, formerRoots: undefined };
    const spec = { ...cluster.spec, CAConfig };
    this.apply([
      { op: 'patch', kind: 'cluster', id: cluster.id, fields: { ...cleared, ...ca, spec } },
    ]);
  }

  /** One look of the leader; answers whom it told. */
  plan(): readonly string[] {
    this.#now += 3_000;
    const { changes, renew } = planRotation(this.store, {
      now: this.#now,
      newJoinToken: (_, rootPem) => makeJoinToken(rootPem, newJoinSecret()),
      ca: tools(),
    });
    this.apply(changes);
    return renew;
  }

  /** Managers, who have the store, know every node. */
  check(): void {
    const roots = trustedRootsPem(this.cluster);
    for (const [nodeId, { certificate }] of this.disks)
      expect(verifyNodeCertificate(certificate, roots, clusterId, wall)).toMatchObject({
        ok: true,
        nodeId,
      });
  }

  /** A node that has not heard of anything yet knows managers: by a root that it trusts, or by way of the intermediate. */
  checkManager(disks: Iterable<Disk>): void {
    const material = authorityOf(this.cluster);
    if (material === undefined) throw new Error('no key');
    const who = { nodeId: 'm', role: 'manager', validityMs: 1e9, nowMs: wall } as const;
    const chain = new Authority(material).signNode({ ...who, publicKey: keys.publicKey });
    const [, intermediate] = readCertificates(chain);
    for (const roots of new Set([...disks].map((disk) => disk.roots))) {
      const direct = verifyNodeCertificate(chain, roots, clusterId, wall).ok;
      const crossed = readCertificates(roots).some(
        (root) => intermediate?.x509.verify(root.x509.publicKey) === true,
      );
      expect(direct || crossed).toBe(true);
    }
  }
}

test('a rotation, node by node, to its end', () => {
  const small = new SmallCluster(3);
  const before = small.cluster.rootCa;
  small.request({});
  expect(small.plan()).toEqual(['n0', 'n1', 'n2']);
  for (const id of ['n1', 'n0', 'n2']) {
    const old = small.disks.get(id) as Disk;
    expect(small.cluster.rootRotation).toBeDefined();
    small.checkManager([old]);
    small.renew(id);
    small.check();
  }
  small.plan();
  const { rootCa, rootRotation } = small.cluster;
  expect(rootRotation).toBeUndefined();
  expect(rootCa.certPem).not.toBe(before.certPem);
  for (const text of Object.values(rootCa.tokens)) {
    const parsed = parseJoinToken(text);
    expect(parsed.ok && rootMatchesToken(rootCa.certPem, parsed.token)).toBe(true);
  }
  small.check();
  for (const id of small.disks.keys()) {
    small.checkManager(small.disks.values());
    small.hear(id);
    expect(small.store.node(id)?.description?.tls?.trustRoot).toBe(rootCa.certPem);
  }
});

// Requests, renewals and pauses in any order. Seeds are fixed, so a failure can be repeated.
test.each(Array.from({ length: 10 }, (_, seed) => seed))('any order of things, seed %i', (seed) => {
  const draw = randomBytesFrom(seed);
  const small = new SmallCluster(4);
  const root = small.cluster.rootCa;
  for (let step = 0; step < 30; step++) {
    const told = small.plan();
    const chance = draw() % 10;
    if (chance === 0 && (small.cluster.formerRoots?.length ?? 0) < 7) small.request({});
    else if (chance === 1 && small.cluster.rootCa.certPem === root.certPem)
      small.request({ signingCert: root.certPem, signingKey: root.keyPem });
    else if (chance < 8) {
      const id = told[draw() % Math.max(1, told.length)];
      if (id !== undefined) small.renew(id);
    } else small.hear(`n${draw() % 4}`);
    small.check();
    small.checkManager(small.disks.values());
  }
  for (let round = 0; round < 5; round++) for (const id of small.plan()) small.renew(id);
  expect(small.cluster.rootRotation).toBeUndefined();
  expect(small.plan()).toEqual([]);
  small.check();
});
