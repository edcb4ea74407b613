// `docker swarm ca --rotate` of the real CLI against a manager's and a worker's daemon.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeTlsInfo, readCertificates, verifyNodeCertificate } from '../../pki/mod.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type Engine, loadImages, SLEEP, startEngine, until } from '../support/engine.ts';
import { freePort } from '../support/free-port.ts';
import { type KeyKind, opensslRoot } from '../unit/ca/helpers.ts';

/** Two engines, whose daemons meet on loopback. */
let engines: readonly Engine[] = [];
let manager: Daemon;
let worker: Daemon;
let remote = '';

const daemonOf = async (engine: Engine | undefined, port: number): Promise<Daemon> =>
  startDaemon(engine as Engine, {
    netns: '',
    busPort: await freePort(),
    args: ['--listen-addr', `127.0.0.1:${port}`],
  });

beforeAll(async () => {
  engines = [await startEngine({ name: 'ca-a' }), await startEngine({ name: 'ca-b' })];
  for (const engine of engines) await loadImages(engine);
  const port = await freePort();
  remote = `127.0.0.1:${port}`;
  manager = await daemonOf(engines[0], port);
  worker = await daemonOf(engines[1], await freePort());
  await manager.mustDocker('swarm', 'init');
  await worker.mustDocker('swarm', 'join', '--token', await tokenOf('worker'), remote);
  await allReady(2);
  const service = 'service create --detach --no-resolve-image --name two --replicas 2';
  await manager.mustDocker(...service.split(' '), SLEEP, 'sleep', '1000');
  await until(async () => !(await containers()).includes(''), 20_000, 'two tasks to run');
}, 90_000);

afterAll(async () => {
  for (const daemon of [worker, manager])
    if (daemon !== undefined) {
      if (daemon.pid > 0) await daemon.docker('swarm', 'leave', '--force');
      await daemon.stop();
    }
  for (const engine of engines) await engine.stop();
}, 60_000);

const idOf = async (daemon: Daemon): Promise<string> =>
  daemon.mustDocker('info', '--format', '{{.Swarm.NodeID}}');
const tokenOf = async (role: string): Promise<string> =>
  manager.mustDocker('swarm', 'join-token', '-q', role);
const rootOf = async (): Promise<string> => manager.mustDocker('swarm', 'ca');
const containers = async (): Promise<readonly string[]> =>
  Promise.all(
    engines.map((engine) =>
      engine.mustDocker('ps', '-q', '--filter', 'label=com.docker.swarm.task.id'),
    ),
  );
const nodes = async (format: string): Promise<readonly string[]> =>
  (await manager.mustDocker('node', 'ls', '--format', format)).split('\n');
const allReady = async (count: number): Promise<void> =>
  until(
    async () => (await nodes('{{.Status}}')).join() === Array(count).fill('Ready').join(),
    15_000,
    `${count} nodes to be ready`,
  );
const rotates = async (): Promise<boolean> =>
  (await manager.mustDocker('info', '--format', '{{.Swarm.Cluster.RootRotationInProgress}}')) ===
  'true';
const rotated = (): Promise<void> =>
  until(async () => !(await rotates()), 30_000, 'the rotation to end');

const file = (daemon: Daemon, name: string): string =>
  readFileSync(join(daemon.stateDir, 'certificates', name), 'utf8');

/** Every node has a certificate of this root, says so, and trusts the root before all others. */
async function allHave(root: string, daemons: readonly Daemon[] = [manager, worker]) {
  await until(
    () => daemons.every((daemon) => file(daemon, 'swarm-root-ca.crt').trim().startsWith(root)),
    15_000,
    'the root to be spread',
  );
  const cluster = await manager.mustDocker('info', '--format', '{{.Swarm.Cluster.ID}}');
  for (const daemon of daemons) {
    const pem = file(daemon, 'swarm-node.crt');
    expect(verifyNodeCertificate(pem, root, cluster, Date.now())).toMatchObject({ ok: true });
    expect(nodeTlsInfo(pem, root).TrustRoot.trim()).toBe(root);
  }
  await until(
    async () => (await nodes('{{.TLSStatus}}')).every((status) => status === 'Ready'),
    15_000,
    'nodes to say that they have the root',
  );
}

/** A user's root, in files for the CLI. */
function userRoot(kind: KeyKind): { readonly certPem: string; readonly flags: readonly string[] } {
  const { certPem, keyPem } = opensslRoot(kind, { subject: `/O=Acme/CN=${kind}` });
  const [cert, key] = ['root.pem', 'root-key.pem'].map((name) => join(manager.dir, name));
  writeFileSync(cert as string, certPem);
  writeFileSync(key as string, keyPem);
  return {
    certPem: certPem.trim(),
    flags: ['--ca-cert', cert as string, '--ca-key', key as string],
  };
}
const rotate = (...flags: string[]) =>
  manager.dockerWith({ timeoutMs: 60_000 }, 'swarm', 'ca', '--rotate', ...flags);

test('rotate: progress to the end, new root and tokens, no task restarted', async () => {
  const before = { root: await rootOf(), token: await tokenOf('worker'), run: await containers() };
  const { code, stdout, stderr } = await rotate();
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const root = await rootOf();
  expect(root).not.toBe(before.root);
  expect(stdout.trim().endsWith(root)).toBe(true);
  expect(new Set(stdout.match(/(?<=desired root digest: )sha256:\w+/g)).size).toBe(2);
  await allHave(root);
  expect(readCertificates(file(worker, 'swarm-root-ca.crt'))).toHaveLength(1);
  expect(readCertificates(file(manager, 'swarm-root-ca.crt'))).toHaveLength(1);
  await allReady(2);
  expect(await containers()).toEqual(before.run);
  const token = await tokenOf('worker');
  expect(token).not.toBe(before.token);
  await onlyWith(token, before.token);
}, 90_000);

/** A third daemon joins with the new token, and not with the old one. */
async function onlyWith(token: string, old: string): Promise<void> {
  const third = await daemonOf(engines[1], await freePort());
  try {
    const refused = await third.docker('swarm', 'join', '--token', old, remote);
    expect(refused.stderr).toContain('remote CA does not match fingerprint');
    await third.mustDocker('swarm', 'join', '--token', token, remote);
    await allReady(3);
    await manager.mustDocker('node', 'rm', '--force', await idOf(third));
  } finally {
    await third.docker('swarm', 'leave', '--force');
    await third.stop();
  }
}

test.each(['RSA-2048', 'P-384'] as const)(
  'a given root of %s, detached; and a token made before it',
  async (kind) => {
    const run = await containers();
    const old = await tokenOf('worker');
    const { certPem, flags } = userRoot(kind);
    const { code, stdout, stderr } = await rotate(...flags, '--detach');
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
    await rotated();
    expect(await rootOf()).toBe(certPem);
    await allHave(certPem);
    await onlyWith(await tokenOf('worker'), old);
    expect(await containers()).toEqual(run);
  },
  60_000,
);

test('a node that is off holds it up, until it is back', async () => {
  const old = await rootOf();
  await worker.kill();
  await until(async () => (await nodes('{{.Status}}')).includes('Down'), 15_000, 'a node down');
  expect(await rotate('--detach')).toMatchObject({ code: 0, stderr: '' });
  const has = async (status: string): Promise<boolean> =>
    (await nodes('{{.TLSStatus}}')).filter((one) => one === status).length === 1;
  await until(() => has('Ready'), 15_000, 'the manager to renew');
  expect(await has('Needs Rotation')).toBe(true);
  expect(await rotates()).toBe(true);
  expect(await rootOf()).toBe(old);
  // whoever joins meanwhile does so by the old root, which the token names
  const token = await tokenOf('worker');
  const third = await daemonOf(engines[1], await freePort());
  try {
    await third.mustDocker('swarm', 'join', '--token', token, remote);
    await until(async () => (await nodes('{{.Status}}')).length === 3, 10_000, 'a third node');
    await manager.mustDocker('node', 'rm', '--force', await idOf(third));
  } finally {
    await third.docker('swarm', 'leave', '--force');
    await third.stop();
  }
  expect(await rotates()).toBe(true);
  await worker.start();
  await rotated();
  const root = await rootOf();
  expect(root).not.toBe(old);
  await allHave(root);
  await allReady(2);
}, 90_000);

test('replaced by another one while it goes on, over a restart of the manager', async () => {
  await worker.kill();
  const first = userRoot('P-256');
  expect(await rotate(...first.flags, '--detach')).toMatchObject({ code: 0, stderr: '' });
  await until(
    () =>
      nodeTlsInfo(file(manager, 'swarm-node.crt'), file(manager, 'swarm-root-ca.crt'))
        .CertIssuerSubject === nodeTlsInfo(first.certPem, first.certPem).CertIssuerSubject,
    15_000,
    'the manager to have the first root',
  );
  const second = userRoot('P-384');
  expect(await rotate(...second.flags, '--detach')).toMatchObject({ code: 0, stderr: '' });
  await manager.kill();
  await manager.start();
  await until(async () => (await manager.docker('swarm', 'ca')).code === 0, 20_000, 'a leader');
  expect(await rotates()).toBe(true);
  await worker.start();
  await rotated();
  expect(await rootOf()).toBe(second.certPem);
  await allHave(second.certPem);
  await allReady(2);
  // a node may have got a certificate of the first and not have said so
  expect(file(worker, 'swarm-root-ca.crt')).toContain(first.certPem);
}, 90_000);

test('a node that will not come back is removed, and the rotation ends', async () => {
  const id = await idOf(worker);
  await worker.kill();
  await until(async () => (await nodes('{{.Status}}')).includes('Down'), 15_000, 'a node down');
  expect(await rotate('--detach')).toMatchObject({ code: 0, stderr: '' });
  expect(await rotates()).toBe(true);
  await manager.mustDocker('node', 'rm', '--force', id);
  await rotated();
  const root = await rootOf();
  await allHave(root, [manager]);
  // nobody knows it any more; it joins as a new node
  await worker.start();
  await until(() => /certificate|tls|TLS|revoked/.test(worker.log()), 15_000, 'a refusal');
  await worker.mustDocker('swarm', 'leave', '--force');
  await worker.mustDocker('swarm', 'join', '--token', await tokenOf('worker'), remote);
  await allReady(2);
  await allHave(root);
}, 90_000);
