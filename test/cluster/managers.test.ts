// Several managers on real hosts: growth, shrinking, leadership.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';

let hosts: Hosts;

beforeAll(async () => {
  hosts = await startHosts(3);
  await Promise.all(hosts.all.map((host) => host.startDaemon()));
}, 120_000);

afterAll(async () => {
  await hosts?.down();
}, 60_000);

const token = (host: Host, role: string): Promise<string> =>
  host.mustDocker('swarm', 'join-token', '--quiet', role);

const managerStatus = async (host: Host): Promise<Readonly<Record<string, string>>> => {
  const lines = await host.mustDocker('node', 'ls', '--format', '{{.Hostname}} {{.ManagerStatus}}');
  return Object.fromEntries(
    lines.split('\n').map((line) => [line.split(' ')[0] ?? '', line.split(' ')[1] ?? '']),
  );
};

async function join(host: Host, through: Host, role: string): Promise<void> {
  await host.mustDocker(
    'swarm',
    'join',
    '--token',
    await token(through, role),
    `${through.ip}:2377`,
  );
}

test('one manager becomes three', async () => {
  const [one, two, three] = hosts.all as [Host, Host, Host];
  await one.mustDocker('swarm', 'init', '--advertise-addr', one.ip);
  await one.mustDocker('service', 'create', '--detach', '--name', 'before', '--replicas', '0', 'x');
  await join(two, one, 'manager');
  expect(await managerStatus(two)).toEqual({ h1: 'Leader', h2: 'Reachable' });
  await join(three, two, 'manager');
  for (const host of hosts.all) {
    await until(
      async () => (await managerStatus(host))['h3'] === 'Reachable',
      20_000,
      `three managers, as ${host.name} sees them`,
    );
    expect(await host.mustDocker('service', 'ls', '--format', '{{.Name}}')).toBe('before');
  }
  await three.mustDocker(
    'service',
    'create',
    '--detach',
    '--name',
    'after',
    '--replicas',
    '0',
    'x',
  );
  expect(await two.mustDocker('service', 'ls', '--quiet')).toHaveLength(12 * 2 + 1);
}, 120_000);
