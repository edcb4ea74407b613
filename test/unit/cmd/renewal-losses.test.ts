// Renewals of a manager's certificate with what can go wrong on the way, against a state in which other managers' servers
// let this one in by its key: whatever is lost, the key in use is known to them.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createActor } from 'xstate';
import type { NodeRenewal } from '../../../actors/node/certificate/node-renewal.ts';
import type { Manager } from '../../../actors/manager/manager.ts';
import type { Issued } from '../../../api/join-listener.ts';
import { CertificateIssuer } from '../../../cmd/certificate-issuer.ts';
import { NodeFiles } from '../../../cmd/node-files.ts';
import { newNodeRenewal } from '../../../cmd/renew-node.ts';
import { nodePin } from '../../../domain/commands/keys.ts';
import { Fault } from '../../../domain/errors.ts';
import type { Cluster, Node } from '../../../domain/model/objects.ts';
import { Store } from '../../../domain/store/store.ts';
import {
  Authority,
  createCluster,
  generateKeys,
  newKey,
  pinOfKey,
  privateKeyFromPem,
  privateKeyToPem,
  publicKeyPin,
  readCertificate,
  readRequest,
} from '../../../pki/mod.ts';
import { Registry } from '../../../supervisors/registry.ts';
import type { runs } from '../../../supervisors/run.ts';

const clusterId = 'c'.repeat(25);
const nodeId = 'm'.repeat(25);
const day = 86_400_000;
const unavailable = (): Fault => new Fault('Unavailable', 'cannot reach the manager');

type Deliver = () => Promise<Issued>;
/** What becomes of one request. */
type Trouble = (world: World, deliver: Deliver) => Promise<Issued>;

const troubles: Readonly<Record<string, Trouble>> = {
  'the request is lost': () => Promise.reject(unavailable()),
  'the answer is lost': async (_, deliver) => {
    await deliver();
    throw unavailable();
  },
  'the request comes after its time is over': (world, deliver) => {
    world.late.push(deliver);
    return Promise.reject(unavailable());
  },
  'the daemon is killed before the request comes': (world) => world.kill(),
  'the daemon is killed before the answer comes': async (world, deliver) => {
    await deliver();
    return world.kill();
  },
};

/** A manager's node, the state, and whoever it asks. */
class World {
  readonly store = new Store();
  readonly late: Deliver[] = [];
  /** Keys asked for in this renewal. */
  readonly asked = new Set<string>();
  onAsk: () => void = () => undefined;
  files: NodeFiles;
  readonly #dir: string;
  readonly #isThirdOn: boolean;
  readonly #certificateIssuer: CertificateIssuer;
  #renewal: NodeRenewal<Issued> | undefined;
  #daemon = new AbortController();
  #trouble: Trouble | undefined;
  #times = 0;
  #asksLeft = 0;
  #onDone: () => void = () => undefined;
  #onLost: () => void = () => undefined;

  constructor(dir: string, isThirdOn: boolean) {
    this.#dir = dir;
    this.#isThirdOn = isThirdOn;
    const nowMs = Date.now();
    const material = createCluster({ clusterId, nowMs });
    const { privateKey, publicKey } = generateKeys();
    const certificate = new Authority(material).signNode({
      nodeId,
      role: 'manager',
      publicKey,
      validityMs: 90 * day,
      nowMs,
    });
    this.files = new NodeFiles(dir);
    const key = privateKeyToPem(privateKey);
    this.files.writeCertificates({ node: certificate, key, root: material.rootCertPem });
    const rootCa = { certPem: material.rootCertPem, keyPem: material.rootKeyPem };
    const cluster = {
      id: clusterId,
      rootCa,
      spec: { CAConfig: { NodeCertExpiry: 90 * day * 1e6 } },
    };
    const node = {
      id: nodeId,
      role: 'manager',
      spec: { Role: 'manager' },
      pins: [pinOfKey(publicKey)],
    };
    this.#apply([
      { op: 'put', kind: 'cluster', object: cluster as unknown as Cluster },
      { op: 'put', kind: 'node', object: node as unknown as Node },
    ]);
    const manager = {
      read: () => Promise.resolve(this.store),
      view: () => this.store,
      command: (_: string, body: unknown) => this.#pin(body),
    } as unknown as Manager;
    this.#certificateIssuer = new CertificateIssuer({
      manager,
      now: Date.now,
      clock: { setTimeout: () => 0 },
      turn: () => Promise.resolve(),
      connect: () => {
        throw new Error('there is no external CA');
      },
      onCaFailure: () => undefined,
    });
    this.#start();
  }

  get inUse(): string {
    return publicKeyPin(this.files.certificate('node'));
  }
  /** By its key the node could come back. */
  get isKnown(): boolean {
    const key = readCertificate(this.files.certificate('node')).publicKeyDer.toString('base64');
    return this.store.node(nodeId)?.keys?.some((one) => one.key === key) === true;
  }
  get isLetIn(): boolean {
    return this.store.node(nodeId)?.pins?.includes(this.inUse) === true;
  }

  /** Resolves when the node has a new certificate; so often the request does not go well. */
  async renew(trouble: Trouble, times: number): Promise<void> {
    this.#trouble = trouble;
    this.#times = times;
    this.asked.clear();
    this.#asksLeft = times + 3;
    const done = new Promise<void>((resolve, reject) => {
      this.#onDone = resolve;
      this.#onLost = () => reject(new Error('shut out for good'));
    });
    this.#renewal?.now();
    await done;
  }

  /** Whatever the daemon was doing, it is another one that goes on, with what lies on the disk. */
  kill(): Promise<never> {
    this.end();
    setImmediate(() => {
      this.files = new NodeFiles(this.#dir);
      this.files.recover();
      this.#start();
    });
    return new Promise(() => undefined);
  }

  end(): void {
    this.#daemon.abort();
  }

  #start(): void {
    this.#daemon = new AbortController();
    const { signal } = this.#daemon;
    const renewal = newNodeRenewal({
      files: this.files,
      managers: () => ['10.0.0.2:2377'],
      own: () => undefined,
      ask: (_, own, request) => this.#ask(own.cert, request),
      onIssued: () => this.#onDone(),
      report: (event) => {
        if (event === 'certificate_not_renewed') setImmediate(() => renewal.now());
      },
      registry: new Registry(),
    });
    this.#renewal = renewal;
    const { logic, input } = renewal.part() as ReturnType<typeof runs>;
    createActor(logic, { input: input(signal, () => undefined) }).start();
  }

  async #ask(certificate: string, request: string): Promise<Issued> {
    this.asked.add(pinOfKey(readRequest(request)));
    this.onAsk();
    if (this.#asksLeft-- <= 0) {
      this.end();
      this.#onLost();
    }
    await this.late
      .shift()?.()
      .catch(() => undefined);
    const deliver = (): Promise<Issued> =>
      this.#certificateIssuer.renew(request, readCertificate(certificate).x509.raw);
    if (this.#trouble === undefined || this.#times-- <= 0) return deliver();
    return this.#trouble(this, deliver);
  }

  /** The others write it down, if they are enough: with the third manager, or with this node's server. */
  #pin(body: unknown): Promise<{ readonly result: unknown; readonly index: number }> {
    if (!this.#isThirdOn && !this.isLetIn) return Promise.reject(unavailable());
    const { changes, result } = nodePin.decide(this.store, { now: Date.now() } as never, body);
    this.#apply(changes);
    expect(this.isLetIn).toBe(true);
    return Promise.resolve({ result, index: this.store.index });
  }

  #apply(changes: Parameters<Store['apply']>[0]['changes']): void {
    this.store.apply({ index: this.store.index + 1, at: Date.now(), changes });
  }
}

let dir = '';
let world: World | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'natswarm-renewals-'));
});
afterEach(() => {
  world?.end();
  rmSync(dir, { recursive: true });
});

const cases = Object.keys(troubles).flatMap((name) =>
  [1, 2, 10].flatMap((times) => [true, false].map((third) => [name, times, third] as const)),
);

test.each(cases)('%s, %i times; a third manager: %s', async (name, times, third) => {
  const here = new World(dir, third);
  world = here;
  for (let renewals = 0; renewals < 2; renewals++) {
    const before = here.inUse;
    await here.renew(troubles[name] as Trouble, times);
    expect(here.inUse).not.toBe(before);
    expect(here.asked).toEqual(new Set([here.inUse]));
    expect([here.isLetIn, here.isKnown]).toEqual([true, true]);
    expect(pinOfKey(createPublicKey(privateKeyFromPem(here.files.certificate('key'))))).toBe(
      here.inUse,
    );
    expect(here.files.pendingKey()).toBeUndefined();
  }
  // what was late comes after all
  for (const deliver of here.late.splice(0)) await deliver();
  expect([here.isLetIn, here.isKnown]).toEqual([true, true]);
});

test('ten renewals in a row, each with an answer lost: the servers know the key in use at each moment', async () => {
  const here = new World(dir, false);
  world = here;
  for (let n = 0; n < 10; n++) await here.renew(troubles['the answer is lost'] as Trouble, 1);
  expect([here.isLetIn, here.isKnown]).toEqual([true, true]);
});

test('managers begin to lock while an answer is on its way: its key was in the clear, and is not taken', async () => {
  const here = new World(dir, false);
  world = here;
  const { files } = here;
  files.writeKeys({ dataKey: newKey().toString('hex'), busIssuerSeed: 'seed' });
  let inTheClear = '';
  here.onAsk = () => {
    inTheClear = [...here.asked][0] ?? '';
    here.onAsk = () => undefined;
    files.lock(newKey(), 7);
  };
  await here.renew(troubles['the request is lost'] as Trouble, 0);
  expect(here.inUse).not.toBe(inTheClear);
  expect(here.asked).toEqual(new Set([inTheClear, here.inUse]));
  expect(here.isLetIn).toBe(true);
});
