// `docker swarm ca --rotate` of the real CLI, with its progress, against the API in front of decisions of domain/ca and
// real certificates. Manager and nodes are played here; the real ones are in ca-rotation.test.ts.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApi } from '../../api/server.ts';
import { planRotation } from '../../domain/ca/plan-rotation.ts';
import { authorityOf, trustedRootsPem } from '../../domain/ca/signing.ts';
import { commands } from '../../domain/commands/mod.ts';
import type { Cluster } from '../../domain/model/objects.ts';
import {
  Authority,
  caTools,
  generateKeys,
  makeJoinToken,
  newJoinSecret,
  nodeTlsInfo,
  tlsInfo,
} from '../../pki/mod.ts';
import { aCluster, aNode, FakeSwarm } from '../support/api.ts';
import { dockerCli, until } from '../support/engine.ts';
import { opensslRoot } from '../unit/ca/helpers.ts';

const tools = {
  ...caTools(Date.now),
  externalAnswers: () => false,
  externalCrossSign: () => undefined,
};
const keys = generateKeys();
const nodeIds = ['a', 'b', 'c'].map((letter) => letter.repeat(25));
const newJoinToken = (_: string, rootPem: string): string =>
  makeJoinToken(rootPem, newJoinSecret());

/** A cluster of three nodes that renew their certificates one after the other when they are told. */
class PlayedSwarm extends FakeSwarm {
  readonly certificates = new Map<string, string>();

  constructor() {
    super({ service: [], task: [], node: nodeIds.map((id) => aNode({ id })) });
    const root = tools.newRoot();
    const tokens = { worker: newJoinToken('', root.certPem), manager: 'M' };
    const fields = { rootCa: { ...root, tokens } };
    this.apply({ op: 'patch', kind: 'cluster', id: aCluster().id, fields });
    for (const id of nodeIds) this.renew(id);
    this.answer = (name, body) => {
      const ctx = {
        now: Date.now(),
        newId: () => '',
        random: () => 0,
        newJoinToken,
        newUnlockKey: () => '',
        ca: tools,
      };
      const { changes, result } = commands[name]?.decide(this.store, ctx, body) ?? {};
      this.apply(...(changes ?? []));
      return result;
    };
  }

  get cluster(): Cluster {
    return this.store.cluster() ?? aCluster();
  }

  renew(nodeId: string): void {
    const material = authorityOf(this.cluster);
    if (material === undefined) throw new Error('no key');
    const who = { nodeId, role: 'worker', validityMs: 86_400_000, nowMs: Date.now() } as const;
    const pem = new Authority(material).signNode({ ...who, publicKey: keys.publicKey });
    this.certificates.set(nodeId, pem);
    this.say(nodeId);
  }

  say(nodeId: string): void {
    const pem = this.certificates.get(nodeId) ?? '';
    const info = nodeTlsInfo(pem, trustedRootsPem(this.cluster));
    const tls = {
      trustRoot: info.TrustRoot,
      issuerSubject: info.CertIssuerSubject,
      issuerPublicKey: info.CertIssuerPublicKey,
    };
    const node = this.store.node(nodeId) ?? aNode();
    if (node.description === undefined) throw new Error('no description');
    const fields = { description: { ...node.description, tls } };
    this.apply({ op: 'patch', kind: 'node', id: nodeId, fields });
  }

  /** One step of manager and nodes; nodes hear of changed roots a step later. */
  step(): void {
    for (const id of nodeIds) this.say(id);
    const { changes, renew } = planRotation(this.store, {
      now: Date.now(),
      newJoinToken,
      ca: tools,
    });
    this.apply(...changes);
    if (renew[0] !== undefined) this.renew(renew[0]);
  }
}

let swarm: PlayedSwarm;
let dir: string;
let api: ReturnType<typeof createApi>;
let timer: NodeJS.Timeout;
const docker = (...args: string[]) =>
  dockerCli(join(dir, 'front.sock'), join(dir, 'cli'), args, { timeoutMs: 300_000 });

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'natswarm-ca-'));
  swarm = new PlayedSwarm();
  api = createApi({
    swarm,
    engineSocket: join(dir, 'engine.sock'),
    log: () => undefined,
    wallNow: Date.now,
    tlsInfo: (root) => tlsInfo(root, root),
  });
  await api.listen(`unix://${join(dir, 'front.sock')}`);
});

afterEach(async () => {
  clearInterval(timer);
  await api.close(0);
  await rm(dir, { recursive: true, force: true });
});

const play = (): void => {
  timer = setInterval(() => swarm.step(), 300);
};
const statuses = async (): Promise<readonly string[]> => {
  const { stdout } = await docker('node', 'ls', '--format', '{{.TLSStatus}}');
  return stdout.trim().split('\n');
};

test('a new root, with progress, until every node trusts it', async () => {
  play();
  const before = swarm.cluster.rootCa;
  expect((await docker('swarm', 'ca')).stdout.trim()).toBe(before.certPem.trim());
  const { code, stdout, stderr } = await docker('swarm', 'ca', '--rotate');
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const { rootCa, rootRotation } = swarm.cluster;
  expect(rootRotation).toBeUndefined();
  expect(rootCa.certPem).not.toBe(before.certPem);
  // Bars are for terminals. The digest is of the trust root: first the old one, at the end the new.
  expect(new Set(stdout.match(/(?<=desired root digest: )sha256:\w+/g)).size).toBe(2);
  expect(stdout.trim().endsWith(rootCa.certPem.trim())).toBe(true);
  expect(await statuses()).toEqual(['Ready', 'Ready', 'Ready']);
  const token = await docker('swarm', 'join-token', '-q', 'worker');
  expect(token.stdout.trim()).toBe(rootCa.tokens.worker);
});

test('a user’s root; nodes show who has not renewed yet; given up again', async () => {
  const root = opensslRoot('RSA-2048');
  await Promise.all([
    writeFile(join(dir, 'root.pem'), root.certPem),
    writeFile(join(dir, 'key.pem'), root.keyPem),
    writeFile(join(dir, 'old.pem'), swarm.cluster.rootCa.certPem),
    writeFile(join(dir, 'old-key.pem'), swarm.cluster.rootCa.keyPem),
  ]);
  const rotate = (cert: string, key: string, ...more: string[]) =>
    docker(
      'swarm',
      'ca',
      '--rotate',
      '--ca-cert',
      join(dir, cert),
      '--ca-key',
      join(dir, key),
      ...more,
    );
  expect(await rotate('root.pem', 'key.pem', '--detach')).toMatchObject({ code: 0, stderr: '' });
  expect(await statuses()).toEqual(Array(3).fill('Needs Rotation'));
  swarm.step();
  expect((await statuses()).toSorted()).toEqual(['Needs Rotation', 'Needs Rotation', 'Ready']);
  const { stdout } = await docker('info', '--format', '{{json .Swarm.Cluster}}');
  expect(JSON.parse(stdout)).toMatchObject({
    RootRotationInProgress: true,
    TLSInfo: {
      TrustRoot: swarm.cluster.rootCa.certPem,
      CertIssuerPublicKey: tools.issuerOf(root.certPem).publicKey,
    },
  });
  expect(stdout).not.toContain('PRIVATE');
  expect(await rotate('old.pem', 'old-key.pem', '--detach')).toMatchObject({ code: 0, stderr: '' });
  play();
  const isBehind = (id: string): boolean =>
    swarm.store.node(id)?.description?.tls?.issuerPublicKey !==
    tools.issuerOf(swarm.cluster.rootCa.certPem).publicKey;
  await until(() => !nodeIds.some(isBehind), 10_000, 'nodes to come back');
  expect(await statuses()).toEqual(['Ready', 'Ready', 'Ready']);
  expect(await rotate('root.pem', 'key.pem', '--quiet')).toMatchObject({ code: 0, stderr: '' });
  expect(swarm.cluster.rootCa.certPem).toBe(root.certPem);
});

test('refused in Swarm’s words', async () => {
  const root = opensslRoot('P-256');
  await writeFile(join(dir, 'root.pem'), root.certPem);
  await writeFile(join(dir, 'key.pem'), opensslRoot('P-256').keyPem);
  const cert = ['--ca-cert', join(dir, 'root.pem')];
  const key = ['--ca-key', join(dir, 'key.pem')];
  const says = async (...args: string[]) =>
    (await docker('swarm', 'ca', '--rotate', ...args)).stderr;
  expect(await says(...cert, ...key)).toContain(
    'rpc error: code = InvalidArgument desc = certificate key mismatch',
  );
  const external = [
    '--external-ca',
    `protocol=cfssl,url=https://127.0.0.1:1,cacert=${join(dir, 'root.pem')}`,
  ];
  expect(await says(...cert, ...external)).toContain(
    'there must be at least one valid, reachable external CA corresponding to the desired CA certificate',
  );
  expect(swarm.cluster).not.toHaveProperty('rootRotation');
});
