// The leader is lost in every way there is: another takes over, and nothing that was acknowledged is lost.

import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { SLEEP, until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import {
  Load,
  said,
  serviceNames,
  swarmOfManagers,
  untilManagers,
  write,
} from '../support/swarm-hosts.ts';
import { soon } from '../support/patience.ts';

const replicas = 6;
const noLeader = 'The swarm does not have a leader';

let hosts: Hosts;
let leader: Host;
let others: readonly [Host, Host];
/** All that was ever acknowledged. */
const acked = new Set<string>();

beforeAll(async () => {
  hosts = await startHosts(3);
  await hosts.loadImage();
  await hosts.startDaemons();
  await swarmOfManagers(hosts.all);
  await hosts
    .host(1)
    .mustDocker('service', 'create', '--detach', '--name=tasks', `--replicas=${replicas}`, SLEEP);
  // so that each host has a container, whichever lost its tasks to the others
  await hosts
    .host(1)
    .mustDocker('service', 'create', '--detach', '--name=each', '--mode=global', SLEEP);
  await untilWell();
});

beforeEach(async () => {
  await hosts.heal();
  for (const host of hosts.all) {
    if (!host.powered) await host.boot();
    if (host.pid('daemon') === 0) await host.startDaemon();
  }
  leader = await untilManagers(hosts.all);
  const [first, second] = hosts.all.filter((host) => host !== leader) as [Host, Host];
  others = [first, second];
});

afterAll(async () => {
  await hosts?.down();
});

const ownNow = (): Promise<string> =>
  leader.engine.mustDocker('ps', '--quiet', '--filter=name=^each\\.');

/** The leader's container of `each`. */
async function own(): Promise<string> {
  await until(async () => (await ownNow()) !== '', 90_000, 'a container of the leader');
  return ownNow();
}

/** The slots of `tasks` whose containers run on the hosts that are on, by the engines' own account. */
async function slots(): Promise<readonly string[]> {
  const label = 'com.docker.swarm.task.name';
  const listed = await Promise.all(
    hosts.all
      .filter(({ powered }) => powered)
      .map((host) =>
        host.engine.mustDocker('ps', `--filter=label=${label}`, `--format={{.Label "${label}"}}`),
      ),
  );
  // `<service>.<slot>.<task ID>`
  const names = listed
    .flatMap((out) => out.split('\n'))
    .filter((name) => name.startsWith('tasks.'));
  return names.map((name) => name.split('.')[1] ?? '').toSorted();
}

const everySlot = Array.from({ length: replicas }, (_, n) => String(n + 1));
const untilWell = (): Promise<void> =>
  until(async () => String(await slots()) === String(everySlot), 60_000, 'one task a slot');

/** Writes through the others while `fail` happens to the leader; gives how long they had to wait, ms. */
async function takeOver(fail: () => Promise<void>): Promise<number> {
  const load = new Load(() => others);
  try {
    await until(() => load.acked.length >= 20, 20_000, 'writes');
    await fail();
    const before = load.acked.length;
    await until(() => load.acked.length >= before + 20, 30_000, 'writes after the failure');
  } finally {
    await load.stop();
  }
  expect(load.failures).toEqual([]);
  for (const name of load.acked) acked.add(name);
  return load.slowestMs;
}

async function expectNothingLost(): Promise<void> {
  await untilManagers(hosts.all);
  for (const host of hosts.all) {
    const there = new Set(await serviceNames(host));
    expect([...acked].filter((name) => !there.has(name))).toEqual([]);
  }
  await untilWell();
}

// First what looks at the leader's own container: a node that was lost often rests before it is given a new one.
test('without a majority nothing is acknowledged; containers go on; then all is as before', async () => {
  const [first, second] = others;
  const create = async (name: string): Promise<string> =>
    said(await leader.docker('service', 'create', '--detach', `--name=${name}`, SLEEP));
  const mine = await own();
  await write(leader, 'before');
  acked.add('before');
  await Promise.all(others.map((host) => host.powerOff()));
  // Within its lease the leader still takes a command; when that ends it can't know what will become of the record.
  expect(await create('lost2')).toMatch(new RegExp(`${noLeader}|node lost leader status`));
  expect(await create('lost3')).toContain(noLeader);
  expect(await ownNow()).toBe(mine);
  for (const host of [first, second]) {
    await host.boot();
    await host.startDaemon();
  }
  await expectNothingLost();
});

test('its host is cut off: it steps down, says so, and its tasks go on', async () => {
  const mine = await own();
  await takeOver(() => hosts.cut(leader));
  expect(
    said(await leader.docker('service', 'create', '--detach', '--name=lost', SLEEP)),
  ).toContain(noLeader);
  expect(said(await leader.docker('node', 'ls'))).toContain(noLeader);
  expect(await ownNow()).toBe(mine);
  await hosts.heal(leader);
  await expectNothingLost();
  expect(await serviceNames(others[0])).not.toContain('lost');
});

test('kill -9 of its daemon', async () => {
  await takeOver(() => leader.killDaemon());
  await leader.startDaemon();
  await expectNothingLost();
});

test('its host loses power', async () => {
  await takeOver(() => leader.powerOff());
  await leader.boot();
  await leader.startDaemon();
  await expectNothingLost();
});

test('it is stopped by SIGSTOP, and goes on when another leads', async () => {
  await takeOver(() => leader.pause('daemon'));
  leader.resume('daemon');
  // whatever it takes itself for, it acknowledges nothing that the others do not have
  await write(leader, 'by-the-old-leader').then(
    () => acked.add('by-the-old-leader'),
    () => undefined,
  );
  await expectNothingLost();
});

test('it is ended cleanly: the others hardly notice', async () => {
  const waitedMs = await takeOver(() => leader.stopDaemon());
  expect(waitedMs).toBeLessThan(soon(5_000));
  await leader.startDaemon();
  await expectNothingLost();
});
