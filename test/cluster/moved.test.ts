// A machine comes back with another address, or gets one while it runs.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SLEEP, until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import { join, managersSeenBy, untilManagers, write } from '../support/swarm-hosts.ts';

let hosts: Hosts;
let one: Host;
let two: Host;
let three: Host;

beforeAll(async () => {
  hosts = await startHosts(3);
  [one, two, three] = hosts.all as [Host, Host, Host];
  await hosts.startDaemons();
  await hosts.loadImage();
  await one.mustDocker('swarm', 'init', '--advertise-addr', one.ip);
  await join(two, one, 'worker');
  await join(three, one, 'worker');
});

afterAll(async () => {
  await hosts?.down();
});

/** The host has this address from now on, and not that one. */
async function readdress(host: Host, from: string, to: string): Promise<void> {
  for (const [verb, address] of [
    ['del', from],
    ['add', to],
  ] as const)
    expect(await host.net(['ip', 'addr', verb, `${address}/24`, 'dev', 'eth0'])).toMatchObject({
      code: 0,
    });
}

const other = (host: Host, n: number): string => host.ip.replace(/\d+$/, `${n}`);
const shown = (host: Host, format: string): Promise<string> =>
  one.mustDocker('node', 'inspect', `--format=${format}`, host.name);
const untilShown = (host: Host, format: string, text: string): Promise<void> =>
  until(
    async () => (await shown(host, format).catch(() => '')) === text,
    60_000,
    `${host.name} to be shown at ${text}`,
  );
const nodeAddr = (host: Host): Promise<string> =>
  host.mustDocker('info', '--format={{.Swarm.NodeAddr}}');

test('a worker that was off comes back with another address', async () => {
  expect(await shown(two, '{{.Status.Addr}}')).toBe(two.ip);
  await two.stopDaemon();
  await readdress(two, two.ip, other(two, 102));
  await two.startDaemon();
  await untilShown(two, '{{.Status.Addr}} {{.Status.State}}', `${other(two, 102)} ready`);
  expect(await nodeAddr(two)).toBe(other(two, 102));
});

test('a worker gets another address while it runs: tasks that it may not have end', async () => {
  const create = 'service create --detach --no-resolve-image --name at --constraint';
  await one.mustDocker(...create.split(' '), `node.ip==${three.ip}`, SLEEP, 'sleep', '1000');
  const states = (): Promise<string> =>
    one.mustDocker('service', 'ps', 'at', '--format={{.Node}} {{.CurrentState}} {{.Error}}');
  await until(async () => /h3 Running/.test(await states()), 60_000, 'the task to run');
  await readdress(three, three.ip, other(three, 103));
  await untilShown(three, '{{.Status.Addr}} {{.Status.State}}', `${other(three, 103)} ready`);
  await until(
    async () => /Pending/.test(await states()) && !/Running/.test(await states()),
    60_000,
    'the task to end, and another to wait',
  );
  expect(await states()).toContain('assigned node no longer meets');
  await readdress(three, other(three, 103), three.ip);
  await until(async () => /h3 Running/.test(await states()), 60_000, 'it to run there again');
});

test('a manager comes back with another address: the others find it there', async () => {
  await one.mustDocker('node', 'promote', two.name, three.name);
  await untilManagers(hosts.all);
  await two.stopDaemon();
  await readdress(two, other(two, 102), other(two, 112));
  await two.startDaemon();
  await untilShown(
    two,
    '{{.ManagerStatus.Addr}} {{.Status.Addr}}',
    `${other(two, 112)}:2377 ${other(two, 112)}`,
  );
  await untilManagers(hosts.all);
  // the two that are left have to find each other
  await three.stopDaemon();
  await three.startDaemon();
  await untilManagers(hosts.all);
  await one.stopDaemon();
  await write(three, 'without-one');
  expect((await managersSeenBy(two))['h3']).toMatch(/Leader|Reachable/);
  await one.startDaemon();
  await untilManagers(hosts.all);
});
