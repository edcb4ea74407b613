// Rotation of the root in a cluster of three managers, with the real CLI and daemons.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type BusConnection, connectBus } from '../../bus/nats/bus.ts';
import { subjects } from '../../bus/subjects.ts';
import { NodeFiles } from '../../cmd/node-files.ts';
import { tlsOf } from '../../cmd/wiring.ts';
import { limits } from '../../domain/limits.ts';
import type { Daemon } from '../support/daemon.ts';
import { SLEEP, until } from '../support/engine.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { nodeIdOf } from '../support/swarm-hosts.ts';

let pair: Pair;
let third: Daemon;
let release: () => void = () => undefined;
let released: Promise<void>;
beforeAll(async () => {
  pair = await startPair('cam');
  await pair.manager.mustDocker('swarm', 'init');
  await new Promise<void>((resolve, reject) => {
    released = pair.withThird((daemon) => {
      third = daemon;
      resolve();
      return new Promise((end) => (release = end));
    });
    released.catch(reject);
  });
  const token = await pair.token('manager');
  for (const daemon of [pair.worker, third])
    await daemon.mustDocker('swarm', 'join', '--token', token, pair.remote);
  await until(async () => (await reachable()) === 3, 60_000, 'three managers');
  await pair.allReady(3);
});
afterAll(async () => {
  release();
  await released;
  await pair?.stop();
});

const reachable = async (): Promise<number> =>
  (await pair.nodes('{{.ManagerStatus}}')).filter((one) => /Leader|Reachable/.test(one)).length;

test('all managers get to the new root, whoever leads; the log goes on', async () => {
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

test('a manager whose key the others do not know any more finds back, though they are too few without it', async () => {
  const { manager, worker } = pair;
  const nodeId = await nodeIdOf(worker);
  await third.kill();
  await until(async () => (await reachable()) === 2, 30_000, 'the third manager to be unreachable');
  const bus = await busOf(manager);
  // as many keys as are kept, and one more
  for (let n = 0; n <= limits.pinnedKeysMax; n++)
    await bus.request(subjects.command('node.pin'), { nodeId, pin: pinOf(n) }, 10_000);
  await bus.close();
  const isLetIn = (): boolean => /peer_key_let_in/.test(manager.log());
  await until(isLetIn, 60_000, 'the key to be shown');
  const writes = async (): Promise<boolean> =>
    (await manager.docker('node', 'update', '--label-add', 'b=c', nodeId)).code === 0;
  await until(writes, 60_000, 'a quorum');
  await third.start();
  await until(async () => (await reachable()) === 3, 60_000, 'three managers');
});

const pinOf = (n: number): string => n.toString(16).padStart(64, '0');

/** A connection to a manager's bus with its own certificate. */
async function busOf(daemon: Daemon): Promise<BusConnection> {
  const files = new NodeFiles(daemon.stateDir);
  return connectBus({
    servers: [`127.0.0.1:${daemon.busPort}`],
    name: 'test',
    tls: () => tlsOf(files),
    inboxPrefix: subjects.inboxPrefix(await nodeIdOf(daemon)),
    onError: () => undefined,
  });
}

/** ID and state of every task there is or was, of the last hundred of each slot. */
async function tasks(): Promise<readonly string[]> {
  const format = '{{.ID}} {{.CurrentState}}';
  const out = await pair.manager.mustDocker('service', 'ps', '--format', format, 'all', 'some');
  return out
    .split('\n')
    .map((line) => line.split(' ').slice(0, 2).join(' '))
    .toSorted();
}
interface NodeView {
  readonly ID: string;
  readonly Status: { readonly State: string };
}

test('six rotations in a row: no node goes down, no task is replaced', async () => {
  const { manager } = pair;
  const create = ['service', 'create', '--detach'];
  await manager.mustDocker(...create, '--name', 'all', '--mode', 'global', SLEEP);
  await manager.mustDocker(...create, '--name', 'some', '--replicas', '4', SLEEP);
  const run = async (): Promise<boolean> =>
    (await tasks()).filter((task) => task.endsWith(' Running')).length === 7;
  await until(run, 60_000, 'seven tasks to run');
  const before = await tasks();
  const downs: string[] = [];
  const looking = new AbortController();
  const watch = (async () => {
    while (!looking.signal.aborted) {
      const { body } = await manager.api('GET', '/v1.51/nodes').catch(() => ({ body: [] }));
      for (const { ID, Status } of Array.isArray(body) ? (body as NodeView[]) : [])
        if (Status.State !== 'ready') downs.push(`${ID} ${Status.State}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  const seconds: number[] = [];
  for (let n = 0; n < 6; n++) {
    const from = performance.now();
    expect(await pair.rotate()).toMatchObject({ code: 0, stderr: '' });
    seconds.push(Math.round((performance.now() - from) / 100) / 10);
  }
  process.stderr.write(`six rotations of the root took ${seconds.join(', ')} s\n`);
  await pair.allHave(await pair.root(), [manager, pair.worker, third]);
  looking.abort();
  await watch;
  expect(downs).toEqual([]);
  expect(await tasks()).toEqual(before);
  // each takes about two seconds; as long as one that grows with every rotation it must not be
  expect(Math.max(...seconds)).toBeLessThan(30);
});
