// The way back, for whoever had a worker's certificate for a moment: what a node says of its key is worth nothing, and a key
// brings one back once. Real TLS, and a plain NATS client, against a real daemon.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHash, type KeyObject } from 'node:crypto';
import { exchange, renewThrough } from '../../cmd/join-cluster.ts';
import {
  createRequest,
  generateKeys,
  privateKeyFromPem,
  proveRejoin,
  rejoinChannel,
} from '../../pki/mod.ts';
import { until } from '../support/engine.ts';
import { connectRaw, joinRaw, post, stolenFrom, type Stolen } from '../support/intruder.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { nodeIdOf } from '../support/swarm-hosts.ts';

let pair: Pair;
let port = 0;
const { signal } = new AbortController();

beforeAll(async () => {
  pair = await startPair('rejoin');
  await pair.manager.mustDocker('swarm', 'init');
  port = Number(pair.remote.split(':')[1]);
});
afterAll(() => pair?.stop());

const requestOf = (key: KeyObject): string => createRequest(key);
const spki = ({ publicKey }: { readonly publicKey: KeyObject }): Buffer =>
  publicKey.export({ type: 'spki', format: 'der' });
const stateOf = (nodeId: string): Promise<string> =>
  pair.manager.mustDocker('node', 'inspect', '--format', '{{.Status.State}}', nodeId);

/** Says hello once, with any key as its own, and is gone. */
async function sayHello(node: Stolen & { readonly busPort: number }, key: Buffer): Promise<void> {
  const raw = await connectRaw(node.busPort, node);
  const description = {
    hostname: 'mallory',
    platform: { architecture: 'x86_64', os: 'linux' },
    resources: { nanoCpus: 1e9, memoryBytes: 1e9 },
    engine: { version: '28.0.0', labels: {}, plugins: [] },
    tls: {
      trustRoot: node.ca,
      issuerSubject: '',
      issuerPublicKey: '',
      publicKey: key.toString('base64'),
    },
  };
  const subject = `natswarm.v1.agent.${node.nodeId}.hello`;
  const hello = JSON.stringify({ session: 's', description });
  const answer = await raw.request(subject, hello, { timeout: 60_000 });
  expect(answer.json()).toMatchObject({ ok: true });
  await raw.close();
  await until(async () => (await stateOf(node.nodeId)) === 'down', 20_000, 'the node to be down');
}

/** What was sent is noted in `sent`. */
async function comeBack(
  nodeId: string,
  by: KeyObject,
  next: KeyObject,
  sent: string[] = [],
): Promise<unknown> {
  const clusterId = await pair.manager.mustDocker('info', '--format', '{{.Swarm.Cluster.ID}}');
  const token = await pair.token();
  const request = requestOf(next);
  return exchange(pair.remote, {
    path: '/v1/rejoin',
    root: await pair.root(),
    body: (socket) => {
      const claim = { clusterId, nodeId, channel: rejoinChannel(socket), requestPem: request };
      const body = JSON.stringify({ token, nodeId, request, proof: proveRejoin(claim, by) });
      sent.push(body);
      return body;
    },
    signal,
    limitMs: 30_000,
  });
}

test('a key that was only said is no way back; the one that was issued is, once', async () => {
  const node = await joinRaw(port, await pair.token());
  const own = privateKeyFromPem(node.key);
  const [planted, next, other] = [generateKeys(), generateKeys(), generateKeys()];
  await sayHello(node, spki(planted));
  const { nodeId } = node;
  await expect(comeBack(nodeId, planted.privateKey, other.privateKey)).rejects.toThrow(
    /no such node with this key/,
  );
  const sent: string[] = [];
  const issued = await comeBack(nodeId, own, next.privateKey, sent);
  expect(issued).toMatchObject({ nodeId, role: 'worker' });
  // the proof itself is of one connection
  expect(await post(port, '/v1/rejoin', sent[0] ?? '')).toMatchObject({
    status: 400,
    body: { error: { code: 'PermissionDenied' } },
  });
  // the answer may have been lost: the same request is good, no other one is
  expect(await comeBack(nodeId, own, next.privateKey)).toMatchObject({ nodeId });
  await expect(comeBack(nodeId, own, other.privateKey)).rejects.toThrow(
    /has come back with this key before/,
  );
  // nor is there another way to a certificate by the spent key, though its own is in force
  await expect(
    renewThrough(pair.remote, node, requestOf(other.privateKey), signal),
  ).rejects.toThrow(/has come back with this key before/);
  const join = { token: await pair.token(), request: requestOf(own), availability: 'drain' };
  expect(await post(port, '/v1/join', JSON.stringify(join))).toMatchObject({
    status: 400,
    body: { error: { code: 'AlreadyExists' } },
  });
  await pair.manager.mustDocker('node', 'rm', nodeId);
});

test('a node that a version of before has let in is known by the key that it shows, not by what it says', async () => {
  const { privateKey, publicKey } = generateKeys();
  const token = await pair.token();
  const first = await joinRaw(port, token);
  const manager = stolenFrom(pair.manager, await nodeIdOf(pair.manager));
  const bus = await connectRaw(first.busPort, manager);
  await pair.manager.mustDocker('node', 'rm', '--force', first.nodeId);
  // as an earlier version's join listener: no key
  const key = privateKeyFromPem(first.key);
  const old = {
    nodeId: first.nodeId,
    token,
    pin: createHash('sha256').update(first.nodeId).digest('hex'),
  };
  const command = await bus.request('natswarm.v1.command.node.join', JSON.stringify(old));
  expect(command.json()).toMatchObject({ ok: true });
  await bus.close();
  const [planted, next] = [{ privateKey, publicKey }, generateKeys()];
  await sayHello(first, spki(planted));
  await expect(comeBack(first.nodeId, privateKey, next.privateKey)).rejects.toThrow(
    /no such node with this key/,
  );
  expect(await comeBack(first.nodeId, key, next.privateKey)).toMatchObject({
    nodeId: first.nodeId,
  });
  await pair.manager.mustDocker('node', 'rm', first.nodeId);
});
