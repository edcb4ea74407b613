// Rotation of the root in a cluster of three managers, with the real CLI and daemons.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Daemon } from '../support/daemon.ts';
import { until } from '../support/engine.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { nodeIdOf } from '../support/swarm-hosts.ts';

let pair: Pair;
beforeAll(async () => {
  pair = await startPair('cam');
  await pair.manager.mustDocker('swarm', 'init');
}, 60_000);
afterAll(() => pair?.stop(), 60_000);

const reachable = async (): Promise<number> =>
  (await pair.nodes('{{.ManagerStatus}}')).filter((one) => /Leader|Reachable/.test(one)).length;

test('all managers get to the new root, whoever leads; the log goes on', async () => {
  await pair.withThird(async (third: Daemon) => {
    const token = await pair.token('manager');
    for (const daemon of [pair.worker, third])
      await daemon.mustDocker('swarm', 'join', '--token', token, pair.remote);
    await until(async () => (await reachable()) === 3, 60_000, 'three managers');
    await pair.allReady(3);
    const all = [pair.manager, pair.worker, third];
    const { code, stderr } = await pair.rotate();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const root = await pair.root();
    await pair.allHave(root, all);
    for (const daemon of all) expect(await daemon.mustDocker('swarm', 'ca')).toBe(root);
    await pair.manager.mustDocker('node', 'update', '--label-add', 'a=b', await nodeIdOf(third));
    await until(async () => (await reachable()) === 3, 30_000, 'three managers');
    // a server that starts anew comes back into the log's group
    await pair.worker.kill();
    await pair.worker.start();
    await until(async () => (await reachable()) === 3, 60_000, 'three managers again');
    await pair.allReady(3);
  });
}, 240_000);
