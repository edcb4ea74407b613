// How many nodes there may be, and how fast they come: labels of the cluster, with the real CLI and raw TLS clients.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createRequest, generateKeys } from '../../pki/mod.ts';
import { type Answer, joinRaw, post } from '../support/intruder.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { labelCluster } from '../support/swarm-hosts.ts';

let pair: Pair;
let port = 0;

beforeAll(async () => {
  pair = await startPair('limits');
  await pair.manager.mustDocker('swarm', 'init');
  port = Number(pair.remote.split(':')[1]);
});
afterAll(() => pair?.stop());

test('a cluster that has all the nodes that it may have says so to who would join', async () => {
  const { manager, worker, remote } = pair;
  await labelCluster(manager, { 'natswarm.nodes.max': '1' });
  // the CLI sends the whole spec, labels too
  await manager.mustDocker('swarm', 'update', '--task-history-limit', '3');
  const { code, stderr } = await worker.docker(
    'swarm',
    'join',
    '--token',
    await pair.token(),
    remote,
  );
  expect(code).toBe(1);
  expect(stderr).toContain(
    'this cluster has as many nodes as it may have: 1 (its label natswarm.nodes.max); remove nodes that are gone',
  );
  await labelCluster(manager, { 'natswarm.nodes.max': '2' });
  await pair.join();
  await pair.allReady(2);
  await expect(joinRaw(port, await pair.token())).rejects.toThrow('ResourceExhausted');
  await labelCluster(manager, {});
});

test('one token makes nodes only so fast, and who comes too late hears that', async () => {
  await labelCluster(pair.manager, { 'natswarm.joins.rate': '1' });
  const token = await pair.token();
  const before = (await pair.nodes('{{.ID}}')).length;
  const join = (): Promise<Answer> => {
    const ask = { token, request: createRequest(generateKeys().privateKey), availability: 'drain' };
    return post(port, '/v1/join', JSON.stringify(ask));
  };
  const began = performance.now();
  // some of them wait until the test has ended, and are hung up on
  const tries = Array.from({ length: 100 }, async () => {
    const answer = await join();
    return answer.status === 200 ? Promise.reject(new Error('let in')) : answer;
  });
  for (const one of tries) one.catch(() => undefined);
  expect(await Promise.any(tries)).toMatchObject({
    status: 400,
    body: {
      error: { code: 'Unavailable', message: expect.stringContaining('lets 1 in a second') },
    },
  });
  const made = (await pair.nodes('{{.ID}}')).length - before;
  const tookS = (performance.now() - began) / 1_000;
  expect(made).toBeLessThanOrEqual(10 + Math.ceil(tookS));
});
