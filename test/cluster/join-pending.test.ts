// A join that takes longer than the client is made to wait goes on by itself.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import { isWorker, join, nodeIdOf } from '../support/swarm-hosts.ts';

let hosts: Hosts;
let one: Host;
let two: Host;

beforeAll(async () => {
  hosts = await startHosts(2);
  [one, two] = hosts.all as [Host, Host];
  await hosts.startDaemons();
  await one.mustDocker('swarm', 'init', '--advertise-addr', one.ip);
});

afterAll(async () => {
  await hosts?.down();
});

const stateOf = (host: Host): Promise<string> =>
  host.mustDocker('info', '--format={{.Swarm.LocalNodeState}}');

const errorOf = (host: Host): Promise<string> =>
  host.mustDocker('info', '--format={{.Swarm.Error}}');

/** The node leaves, and is not in the list any more. */
async function leave(): Promise<void> {
  const nodeId = await nodeIdOf(two);
  await two.mustDocker('swarm', 'leave');
  await one.mustDocker('node', 'rm', '--force', nodeId);
}

test('a manager that does not answer in time: the node is pending, and joins when it does', async () => {
  const token = await one.mustDocker('swarm', 'join-token', '--quiet', 'worker');
  await one.pause('daemon');
  const { status, text } = await two.daemon.api('POST', '/v1.51/swarm/join', {
    ListenAddr: '0.0.0.0:2377',
    RemoteAddrs: [`${one.ip}:2377`],
    JoinToken: token,
  });
  expect(status).toBe(503);
  expect(text).toContain('Timeout was reached before node joined.');
  expect(await stateOf(two)).toBe('pending');
  // said when an attempt has failed; on a busy machine the first one may last longer than the CLI waits
  const reason = `cannot reach manager ${one.ip}:2377`;
  await until(async () => (await errorOf(two)).includes(reason), 30_000, 'the reason');
  one.resume('daemon');
  await until(async () => (await stateOf(two)) === 'active', 60_000, 'the node to join');
  await one.mustDocker('node', 'inspect', two.name);
});

test('a bus that cannot be reached: the node is pending and says where to; then it is there', async () => {
  await leave();
  const bus = `${one.ip}:${one.daemon.busPort}`;
  const rule = [
    'OUTPUT',
    '-p',
    'tcp',
    '-d',
    one.ip,
    '--dport',
    `${one.daemon.busPort}`,
    '-j',
    'DROP',
  ];
  expect(await two.net(['iptables', '-A', ...rule])).toMatchObject({ code: 0 });
  const token = await one.mustDocker('swarm', 'join-token', '--quiet', 'worker');
  const { code, stderr } = await two.docker('swarm', 'join', '--token', token, `${one.ip}:2377`);
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Timeout was reached before node joined.'),
  });
  expect(await stateOf(two)).toBe('pending');
  expect(await errorOf(two)).toBe(`no bus of a manager can be reached yet: ${bus}`);
  await two.net(['iptables', '-D', ...rule]);
  await until(async () => (await stateOf(two)) === 'active', 30_000, 'the node to join');
  expect(await errorOf(two)).toBe('');
});

test('its own engine does not answer: the node is pending and says so; then it is there', async () => {
  await leave();
  const token = await one.mustDocker('swarm', 'join-token', '--quiet', 'worker');
  await two.engine.kill();
  const joining = two.daemon.api('POST', '/v1.51/swarm/join', {
    ListenAddr: '0.0.0.0:2377',
    RemoteAddrs: [`${one.ip}:2377`],
    JoinToken: token,
  });
  const complaint = /^this node's engine does not answer: ./;
  await until(async () => complaint.test(await errorOf(two)), 20_000, 'it to say so');
  expect(await stateOf(two)).toBe('pending');
  await two.engine.start();
  expect(await joining).toMatchObject({ status: 200 });
  expect(await errorOf(two)).toBe('');
});

test('who has joined can be named at once', async () => {
  for (let i = 0; i < 5; i++) {
    await leave();
    const role = i % 2 === 0 ? 'worker' : 'manager';
    await join(two, one, role);
    expect(await one.mustDocker('node', 'inspect', '--format={{.ID}}', two.name)).toBe(
      await nodeIdOf(two),
    );
    if (role === 'worker') continue;
    await one.mustDocker('node', 'demote', two.name);
    await until(() => isWorker(two), 60_000, 'it to be a worker');
  }
});
