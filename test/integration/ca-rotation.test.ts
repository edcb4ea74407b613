// `docker swarm ca --rotate` of the real CLI against a manager's and a worker's daemon.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeTlsInfo, readCertificates } from '../../pki/mod.ts';
import { SLEEP, until } from '../support/engine.ts';
import { certificate, type Pair, startPair } from '../support/pair.ts';
import { nodeIdOf } from '../support/swarm-hosts.ts';
import { type KeyKind, opensslRoot } from '../unit/ca/helpers.ts';

let pair: Pair;

beforeAll(async () => {
  pair = await startPair('ca');
  await pair.manager.mustDocker('swarm', 'init');
  await pair.join();
  await pair.allReady(2);
  const service = 'service create --detach --no-resolve-image --name two --replicas 2';
  await pair.manager.mustDocker(...service.split(' '), SLEEP, 'sleep', '1000');
  await until(async () => !(await containers()).includes(''), 20_000, 'two tasks to run');
});

afterAll(() => pair?.stop());

const containers = async (): Promise<readonly string[]> =>
  Promise.all(
    pair.engines.map((engine) =>
      engine.mustDocker('ps', '-q', '--filter', 'label=com.docker.swarm.task.id'),
    ),
  );

/** A user's root, in files for the CLI. */
function userRoot(kind: KeyKind): { readonly certPem: string; readonly flags: readonly string[] } {
  const { certPem, keyPem } = opensslRoot(kind, { subject: `/O=Acme/CN=${kind}` });
  const cert = join(pair.manager.dir, 'root.pem');
  const key = join(pair.manager.dir, 'root-key.pem');
  writeFileSync(cert, certPem);
  writeFileSync(key, keyPem);
  return { certPem: certPem.trim(), flags: ['--ca-cert', cert, '--ca-key', key] };
}

/** A third node joins with the new token, and not with the old one. */
const joinedOnlyBy = (token: string, old: string): Promise<void> =>
  pair.withThird(async (third) => {
    const refused = await third.docker('swarm', 'join', '--token', old, pair.remote);
    expect(refused.stderr).toContain('remote CA does not match fingerprint');
    await third.mustDocker('swarm', 'join', '--token', token, pair.remote);
    await pair.allReady(3);
    await pair.manager.mustDocker('node', 'rm', '--force', await nodeIdOf(third));
  });

test('rotate: progress to the end, new root and tokens, no task restarted', async () => {
  const before = { root: await pair.root(), token: await pair.token(), run: await containers() };
  const { code, stdout, stderr } = await pair.rotate();
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const root = await pair.root();
  expect(root).not.toBe(before.root);
  expect(stdout.trim().endsWith(root)).toBe(true);
  expect(new Set(stdout.match(/(?<=desired root digest: )sha256:\w+/g)).size).toBe(2);
  await pair.allHave(root);
  for (const daemon of [pair.manager, pair.worker])
    expect(readCertificates(certificate(daemon, 'root-ca'))).toHaveLength(1);
  await pair.allReady(2);
  expect(await containers()).toEqual(before.run);
  const token = await pair.token();
  expect(token).not.toBe(before.token);
  await joinedOnlyBy(token, before.token);
});

test.each(['RSA-2048', 'P-384'] as const)('a given root of %s, detached', async (kind) => {
  const run = await containers();
  const old = await pair.token();
  const { certPem, flags } = userRoot(kind);
  const { code, stdout, stderr } = await pair.rotate(...flags, '--detach');
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
  await pair.rotated();
  expect(await pair.root()).toBe(certPem);
  await pair.allHave(certPem);
  await joinedOnlyBy(await pair.token(), old);
  expect(await containers()).toEqual(run);
});

test('a node that is off holds it up, until it is back', async () => {
  const old = await pair.root();
  await pair.workerDown();
  expect(await pair.rotate('--detach')).toMatchObject({ code: 0, stderr: '' });
  const has = async (status: string): Promise<boolean> =>
    (await pair.nodes('{{.TLSStatus}}')).filter((one) => one === status).length === 1;
  await until(() => has('Ready'), 15_000, 'the manager to renew');
  expect(await has('Needs Rotation')).toBe(true);
  expect(await pair.rotates()).toBe(true);
  expect(await pair.root()).toBe(old);
  // whoever joins meanwhile does so by the old root, which the token names
  await pair.withThird(async (third) => {
    await pair.join(third);
    await until(
      async () => (await pair.nodes('{{.Status}}')).filter((one) => one === 'Ready').length === 2,
      10_000,
      'a third node',
    );
    await pair.manager.mustDocker('node', 'rm', '--force', await nodeIdOf(third));
  });
  expect(await pair.rotates()).toBe(true);
  await pair.worker.start();
  await pair.rotated();
  const root = await pair.root();
  expect(root).not.toBe(old);
  await pair.allHave(root);
  await pair.allReady(2);
});

test('replaced by another one while it goes on, over a restart of the manager', async () => {
  const { manager, worker } = pair;
  await worker.kill();
  const first = userRoot('P-256');
  expect(await pair.rotate(...first.flags, '--detach')).toMatchObject({ code: 0, stderr: '' });
  const issuer = (pem: string, roots: string): string => nodeTlsInfo(pem, roots).CertIssuerSubject;
  const wanted = issuer(first.certPem, first.certPem);
  await until(
    () => issuer(certificate(manager, 'node'), certificate(manager, 'root-ca')) === wanted,
    15_000,
    'the manager to have the first root',
  );
  const second = userRoot('P-384');
  expect(await pair.rotate(...second.flags, '--detach')).toMatchObject({ code: 0, stderr: '' });
  await manager.kill();
  await manager.start();
  await until(async () => (await manager.docker('swarm', 'ca')).code === 0, 20_000, 'a leader');
  expect(await pair.rotates()).toBe(true);
  await worker.start();
  await pair.rotated();
  expect(await pair.root()).toBe(second.certPem);
  await pair.allHave(second.certPem);
  await pair.allReady(2);
  // a node may have got a certificate of the first and not have said so
  expect(certificate(worker, 'root-ca')).toContain(first.certPem);
});

test('a node that will not come back is removed, and the rotation ends', async () => {
  const id = await nodeIdOf(pair.worker);
  await pair.workerDown();
  expect(await pair.rotate('--detach')).toMatchObject({ code: 0, stderr: '' });
  expect(await pair.rotates()).toBe(true);
  await pair.manager.mustDocker('node', 'rm', '--force', id);
  await pair.rotated();
  const root = await pair.root();
  await pair.allHave(root, [pair.manager]);
  // nobody knows it any more; it joins as a new node
  await pair.worker.start();
  await until(() => /bus_not_reached/.test(pair.worker.log()), 15_000, 'a refusal');
  await pair.worker.mustDocker('swarm', 'leave', '--force');
  await pair.join();
  await pair.allReady(2);
  await pair.allHave(root);
});
