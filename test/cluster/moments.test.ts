// What is answered holds: a manager that has joined counts, and another one may be lost at once.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import {
  isWorker,
  join,
  logOf,
  managersSeenBy,
  said,
  serviceNames,
  untilManagers,
  write,
} from '../support/swarm-hosts.ts';

let hosts: Hosts;
let one: Host;
let two: Host;
let three: Host;

beforeAll(async () => {
  hosts = await startHosts(3);
  [one, two, three] = hosts.all as [Host, Host, Host];
  await hosts.startDaemons();
  await one.mustDocker('swarm', 'init', '--advertise-addr', one.ip);
  await join(two, one, 'manager');
});

afterAll(async () => {
  await hosts?.down();
});

const copies = async (): Promise<number | undefined> => (await logOf(three.daemon)).Copies;

test('a third manager has joined: the second is stopped at once, and writes go on', async () => {
  await join(three, two, 'manager');
  expect(await copies()).toBe(3);
  await two.stopDaemon();
  const stoppedAt = performance.now();
  await write(three, 'after-stop');
  await until(
    async () => (await managersSeenBy(three))['h2'] === 'Unreachable',
    20_000,
    'the stopped one to be shown as unreachable',
  );
  expect(performance.now() - stoppedAt).toBeLessThan(7_000);
  await two.startDaemon();
  await untilManagers(hosts.all);
});

describe.each(['kill', 'cut'] as const)('%s', (how) => {
  test('a promotion has been answered: the second manager is lost at once, and writes go on', async () => {
    await one.mustDocker('node', 'demote', three.name);
    await untilManagers([one, two]);
    await until(() => isWorker(three), 60_000, 'it to be a worker');
    await one.mustDocker('node', 'promote', three.name);
    expect(await copies()).toBe(3);
    const left = how === 'cut' ? one : three;
    if (how === 'kill') await two.killDaemon();
    else await hosts.cut(two);
    await write(left, `after-${how}`);
    if (how === 'kill') await two.startDaemon();
    else await hosts.heal(two);
    await untilManagers(hosts.all);
    expect(await serviceNames(two)).toContain(`after-${how}`);
  });
});

test('demoted and promoted again and again it counts each time; two at once', async () => {
  for (let i = 0; i < 5; i++) {
    await one.mustDocker('node', 'demote', three.name);
    // at once, and at other moments while its place is given up
    await pause(i * 150);
    await one.mustDocker('node', 'promote', three.name);
    expect((await managersSeenBy(one))['h3']).toMatch(/Reachable|Leader/);
    expect(await copies()).toBe(3);
  }
  await untilManagers(hosts.all);
  await Promise.all([
    one.docker('node', 'demote', three.name),
    one.docker('node', 'demote', two.name),
  ]);
  await untilManagers([one]);
  await Promise.all([two, three].map((host) => one.mustDocker('node', 'promote', host.name)));
  await untilManagers(hosts.all);
  expect(said(await one.docker('info', '--format={{.Swarm.Error}}'))).toBe('');
});
