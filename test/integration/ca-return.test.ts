// Nodes that were off for longer than their certificates live, with the real CLI and daemons.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authority, createCluster, privateKeyFromPem, readCertificate } from '../../pki/mod.ts';
import type { Daemon } from '../support/daemon.ts';
import { until } from '../support/engine.ts';
import { certificate, type Pair, startPair } from '../support/pair.ts';
import { nodeIdOf } from '../support/swarm-hosts.ts';

const hour = 3_600_000;
let pair: Pair;
/** The cluster's root, whose key is ours. */
const root = createCluster({ clusterId: 'c1', nowMs: Date.now() - 1_000 * hour });

beforeAll(async () => {
  pair = await startPair('car');
  await pair.manager.mustDocker('swarm', 'init');
  await pair.join();
  await pair.allReady(2);
  const cert = join(pair.manager.dir, 'root.pem');
  const key = join(pair.manager.dir, 'key.pem');
  writeFileSync(cert, root.rootCertPem);
  writeFileSync(key, root.rootKeyPem);
  expect(await pair.rotate('--ca-cert', cert, '--ca-key', key)).toMatchObject({ code: 0 });
  await pair.allHave(root.rootCertPem.trim());
});

afterAll(() => pair?.stop());

/** Puts a certificate in the place of a node's own that has its key, and ended an hour ago. */
async function expire(daemon: Daemon, clusterId: string): Promise<void> {
  const pem = certificate(daemon, 'node');
  const { nodeId = '', role = 'worker' } = readCertificate(pem);
  const key = readFileSync(join(daemon.stateDir, 'certificates', 'swarm-node.key'), 'utf8');
  const old = new Authority({ ...root, clusterId }).signNode({
    nodeId,
    role,
    publicKey: createPublicKey(privateKeyFromPem(key)),
    validityMs: 2 * hour,
    nowMs: Date.now() - 3 * hour,
  });
  writeFileSync(join(daemon.stateDir, 'certificates', 'swarm-node.crt'), old);
}
const clusterOf = (): Promise<string> =>
  pair.manager.mustDocker('info', '--format', '{{.Swarm.Cluster.ID}}');
const swarmError = (daemon: Daemon): Promise<string> =>
  daemon.mustDocker('info', '--format', '{{.Swarm.Error}}');

test('a manager gives itself a certificate, since it has the root', async () => {
  const { manager } = pair;
  const clusterId = await clusterOf();
  await manager.kill();
  await expire(manager, clusterId);
  await manager.start();
  await until(async () => (await manager.docker('swarm', 'ca')).code === 0, 20_000, 'a leader');
  expect(manager.log()).toContain('certificate_mended');
  await pair.allReady(2);
  expect(await swarmError(manager)).toBe('');
  await pair.allHave(root.rootCertPem.trim());
});

test('a worker is let back in as the node that it was, by a token and its last key', async () => {
  const { manager, worker, remote } = pair;
  const id = await nodeIdOf(worker);
  await manager.mustDocker('node', 'update', '--label-add', 'rack=7', id);
  const clusterId = await clusterOf();
  await pair.workerDown();
  await expire(worker, clusterId);
  await worker.start();
  await until(() => /expired.*certificate_not_renewed/.test(worker.log()), 10_000, 'a refusal');
  const isTold = async (): Promise<boolean> =>
    /certificate of this node has expired/.test(await swarmError(worker));
  await until(isTold, 5_000, 'the node to say so');
  expect(await pair.nodes('{{.Status}}')).toContain('Down');
  const refusal = async (token: string): Promise<string> =>
    (await worker.docker('swarm', 'join', '--token', token, remote)).stderr;
  expect(await refusal((await pair.token()).slice(0, -1) + 'x')).toMatch(/token/);
  expect(await refusal(await pair.token('manager'))).toContain('is no manager');
  // a rotation meanwhile, which waits for it
  expect(await pair.rotate('--detach')).toMatchObject({ code: 0 });
  await pair.join();
  expect(await nodeIdOf(worker)).toBe(id);
  await pair.allReady(2);
  await pair.rotated();
  await pair.allHave(await pair.root());
  expect(await swarmError(worker)).toBe('');
  expect(await manager.mustDocker('node', 'inspect', '--format', '{{.Spec.Labels.rack}}', id)).toBe(
    '7',
  );
  const again = await worker.docker('swarm', 'join', '--token', await pair.token(), remote);
  expect(again.stderr).toContain('This node is already part of a swarm');
});

test('one that was removed is told to join as a new one', async () => {
  const { manager, worker, remote } = pair;
  const id = await nodeIdOf(worker);
  await pair.workerDown();
  await manager.mustDocker('node', 'rm', id);
  await worker.start();
  const { stderr } = await worker.docker('swarm', 'join', '--token', await pair.token(), remote);
  expect(stderr).toMatch(/already part of a swarm.*leave, and join as a new node/);
  await worker.mustDocker('swarm', 'leave', '--force');
  await pair.join();
  expect(await nodeIdOf(worker)).not.toBe(id);
  await pair.allReady(2);
});
