// A join that takes longer than the client is made to wait goes on by itself.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';

let hosts: Hosts;
let one: Host;
let two: Host;

beforeAll(async () => {
  hosts = await startHosts(2);
  [one, two] = hosts.all as [Host, Host];
  await Promise.all(hosts.all.map((host) => host.startDaemon()));
  await one.mustDocker('swarm', 'init', '--advertise-addr', one.ip);
}, 180_000);

afterAll(async () => {
  await hosts?.down();
}, 60_000);

const stateOf = (host: Host): Promise<string> =>
  host.mustDocker('info', '--format={{.Swarm.LocalNodeState}}');

test('a manager that does not answer in time: the node is pending, and joins when it does', async () => {
  const token = await one.mustDocker('swarm', 'join-token', '--quiet', 'worker');
  await one.pause('daemon');
  // each try has its own, shorter limit: it is tried once more than there is time for
  const addr = `${one.ip}:2377`;
  const { status, text } = await two.daemon.api('POST', '/v1.51/swarm/join', {
    ListenAddr: '0.0.0.0:2377',
    RemoteAddrs: [addr, addr, addr],
    JoinToken: token,
  });
  expect(status).toBe(503);
  expect(text).toContain('Timeout was reached before node joined.');
  expect(await stateOf(two)).toBe('pending');
  one.resume('daemon');
  await until(async () => (await stateOf(two)) === 'active', 60_000, 'the node to join');
  const nodes = (): Promise<string> =>
    one.mustDocker('node', 'ls', '--format={{.Hostname}} {{.Status}}');
  await until(async () => (await nodes()).includes(`${two.name} Ready`), 30_000, 'it to be ready');
}, 180_000);
