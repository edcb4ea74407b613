// Rolling upgrades: daemons that take themselves for an older or a newer natswarm, one after the other, under load.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SLEEP, until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import {
  join,
  Load,
  logOf,
  nodeIdOf,
  serviceNames,
  swarmOfManagers,
  untilManagers,
  write,
} from '../support/swarm-hosts.ts';

let hosts: Hosts;
let managers: readonly [Host, Host, Host];
let workers: readonly Host[];

const asLevel = (host: Host, level: number): void => {
  host.daemon.env = { NATSWARM_TEST_FEATURE_LEVEL: String(level) };
};
const levelSeenBy = async (host: Host): Promise<number> =>
  (await logOf(host.daemon)).FeatureLevel ?? -1;
const untilLevel = (level: number): Promise<void> =>
  until(
    async () => (await Promise.all(managers.map(levelSeenBy))).every((seen) => seen === level),
    20_000,
    `all managers to be at level ${level}`,
  );

/** By host: the containers that run, as the engine itself tells. */
const containers = async (): Promise<readonly (readonly string[])[]> =>
  Promise.all(
    hosts.all.map(async ({ engine }) => {
      const out = await engine.mustDocker('ps', '--quiet', '--no-trunc');
      return out.split('\n').filter(Boolean).toSorted();
    }),
  );

async function untilReady(host: Host): Promise<void> {
  if (managers.includes(host)) await untilManagers(managers);
  const id = await nodeIdOf(host);
  const state = (): Promise<string> =>
    managers[0].mustDocker('node', 'inspect', '--format', '{{.Status.State}}', id);
  await until(async () => (await state()) === 'ready', 30_000, `${host.name} to be ready`);
}

beforeAll(async () => {
  hosts = await startHosts(5);
  const [one, two, three, ...others] = hosts.all as [Host, Host, Host, ...Host[]];
  managers = [one, two, three];
  workers = others;
  await hosts.loadImage();
  for (const host of hosts.all) asLevel(host, 1);
  await hosts.startDaemons();
  // a node whose daemon is restarted is not to be taken for lost, however busy this machine is
  await swarmOfManagers(managers, '--dispatcher-heartbeat', '30s');
  for (const worker of workers) await join(worker, one, 'worker');
  await one.mustDocker(
    ...'service create --quiet --detach --no-resolve-image --name web --replicas 6'.split(' '),
    SLEEP,
  );
  const runs = async (): Promise<boolean> =>
    (await one.mustDocker('service', 'ls', '--format', '{{.Replicas}}')) === '6/6';
  await until(runs, 60_000, 'six tasks');
}, 180_000);
afterAll(async () => {
  await hosts?.down();
}, 60_000);

test.each([
  ['managers first', 2, () => [...managers, ...workers]],
  ['workers first', 3, () => [...workers, ...managers]],
])(
  '%s: nothing is lost, no container restarted, and the level rises when all managers can',
  async (_, to, order) => {
    const before = await containers();
    expect(before.flat()).toHaveLength(6);
    let through: readonly Host[] = managers;
    const load = new Load(() => through);
    const left = new Set<Host>(managers);
    for (const host of order()) {
      expect(await levelSeenBy(managers[0])).toBe(left.size === 0 ? to : to - 1);
      through = managers.filter((manager) => manager !== host);
      asLevel(host, to);
      await host.stopDaemon();
      await host.startDaemon();
      await untilReady(host);
      left.delete(host);
      if (left.size === 0) await untilLevel(to);
    }
    await load.stop();
    await untilLevel(to);
    expect(load.failures).toEqual([]);
    for (const host of managers)
      expect(await serviceNames(host)).toEqual(expect.arrayContaining(load.acked));
    expect(await containers()).toEqual(before);
  },
  280_000,
);

test('a manager below the level of the cluster stands still and says what to install; the same disk is good afterwards', async () => {
  const [one, two, three] = managers;
  asLevel(three, 2);
  await three.stopDaemon();
  await three.startDaemon();
  const complaint = (): Promise<string> => three.mustDocker('info', '--format', '{{.Swarm.Error}}');
  const why = 'the cluster is at feature level 3, and this natswarm can 2 at most: install';
  await until(async () => (await complaint()).includes(why), 30_000, 'the complaint');
  expect((await three.docker('node', 'ls')).stderr).toContain(why);
  await write(one, 'without-three');
  await write(two, 'without-three-2');
  const crashes = (): number => three.daemon.log().split('"child_exit"').length;
  const seen = crashes();
  expect(three.daemon.log().split('"incompatible"')).toHaveLength(2);

  asLevel(three, 3);
  await three.stopDaemon();
  expect(crashes()).toBe(seen);
  await three.startDaemon();
  await untilManagers(managers);
  expect(await serviceNames(three)).toContain('without-three-2');
}, 180_000);
