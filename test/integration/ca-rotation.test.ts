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
  (await manager.mustDocker(
    'info',
    '--format',
    '{{.Swarm.Cluster.RootRotationInProgress}}',
  )) === 'true';
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
  const third = await daemonOf(engines[1], await freePort());
  try {
    const refused = await third.docker('swarm', 'join', '--token', before.token, remote);
    expect(refused.stderr).toContain('remote CA does not match fingerprint');
    await third.mustDocker('swarm', 'join', '--token', token, remote);
    await allReady(3);
    await third.mustDocker('swarm', 'leave');
  } finally {
    const id = await third.mustDocker('info', '--format', '{{.Swarm.NodeID}}');
    await third.stop();
    if (id !== '') await manager.docker('node', 'rm', '--force', id);
  }
}, 90_000);
