// Several managers on real hosts: growth, shrinking, and what is refused.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import {
  isWorker,
  join,
  Load,
  managersSeenBy,
  nodeIdOf,
  said,
  serviceNames,
  untilManagers,
  write,
} from '../support/swarm-hosts.ts';
import { soon } from '../support/patience.ts';

let hosts: Hosts;
let one: Host;
let two: Host;
let three: Host;
let onFinish = async (): Promise<void> => undefined;

beforeAll(async () => {
  hosts = await startHosts(5);
  [one, two, three] = hosts.all as [Host, Host, Host];
  await hosts.startDaemons();
});

afterAll(async () => {
  await onFinish();
  await hosts?.down();
});

const demote = (host: Host, through: Host): Promise<string> =>
  through.mustDocker('node', 'demote', host.name);
const promote = (host: Host, through: Host): Promise<string> =>
  through.mustDocker('node', 'promote', host.name);

/** These hosts, once they are the managers. */
async function managing(some: readonly Host[]): Promise<readonly Host[]> {
  await untilManagers(some);
  return some;
}

/** Lines of a host's log that are warnings or worse. */
const troubleSaidBy = (host: Host): readonly string[] =>
  host.daemon
    .log()
    .split('\n')
    .filter((line) => /"level":"(warn|error|fatal)"/.test(line));

test('one manager becomes three', async () => {
  await one.mustDocker('swarm', 'init', '--advertise-addr', one.ip);
  await write(one, 'before');
  await join(two, one, 'manager');
  expect(await managersSeenBy(two)).toEqual({ h1: 'Leader', h2: 'Reachable' });
  await join(three, two, 'manager');
  await untilManagers([one, two, three]);
  for (const host of [one, two, three]) expect(await serviceNames(host)).toEqual(['before']);
  // all is well, so there is nothing to warn of
  for (const host of [one, two, three]) expect(troubleSaidBy(host)).toEqual([]);
});

test('what is written through any manager is read there at once', async () => {
  for (const [n, host] of [one, two, three].entries()) {
    await write(host, `through-${n}`);
    expect(await serviceNames(host)).toContain(`through-${n}`);
  }
});

test('a manager is not removed before it is demoted', async () => {
  const leader = await untilManagers([one, two, three]);
  for (const host of [one, two, three]) {
    const refusal = said(await leader.docker('node', 'rm', '--force', host.name));
    expect(refusal).toContain(
      `node ${await nodeIdOf(host)} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`,
    );
  }
});

test('the leader is demoted: another leads, and it is a worker', async () => {
  const leader = await untilManagers([one, two, three]);
  const others = [one, two, three].filter((host) => host !== leader);
  const [other] = others as [Host];
  await demote(leader, leader);
  await untilManagers(others);
  await until(() => isWorker(leader), 30_000, 'the demoted leader to be a worker');
  await write(other, 'after-demotion');
  await promote(leader, other);
  await untilManagers([one, two, three]);
  expect(await serviceNames(leader)).toContain('after-demotion');
});

test('three become one again; the last stays', async () => {
  await demote(two, one);
  await untilManagers([one, three]);
  await demote(three, one);
  await untilManagers([one]);
  expect(said(await one.docker('node', 'demote', one.name))).toContain(
    'attempting to demote the last manager of the swarm',
  );
  await write(one, 'alone');
  // it stays so over a restart
  await one.killDaemon();
  await one.startDaemon();
  expect(await serviceNames(one)).toContain('alone');
  await until(
    async () =>
      (await one.mustDocker('node', 'ls', '--format', '{{.Status}}')) === 'Ready\nReady\nReady',
    30_000,
    'all nodes to be ready',
  );
});

test('1 → 3 → 5 → 3 → 1 under load: clients see nothing but a wait', async () => {
  let managers: readonly Host[] = [one];
  const load = new Load(() => managers);
  onFinish = () => load.stop();
  const [, , , four, five] = hosts.all as [Host, Host, Host, Host, Host];
  await promote(two, one);
  await promote(three, one);
  managers = await managing([one, two, three]);
  await join(four, two, 'manager');
  await join(five, three, 'manager');
  managers = await managing(hosts.all);
  managers = [one, two, three];
  await demote(four, one);
  await demote(five, two);
  await untilManagers(managers);
  managers = [one];
  await demote(three, one);
  await demote(two, one);
  await untilManagers(managers);
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(load.slowestMs).toBeLessThan(soon(10_000));
  expect(load.acked.length).toBeGreaterThan(100);
  const left = new Set(await serviceNames(one));
  expect(load.acked.filter((name) => !left.has(name))).toEqual([]);
});
