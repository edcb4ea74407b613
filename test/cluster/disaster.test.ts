// The quorum is lost for good: one manager goes on alone, and what the others were does no harm.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import {
  managersSeenBy,
  serviceNames,
  swarmOfManagers,
  untilManagers,
  write,
} from '../support/swarm-hosts.ts';

const written = 20;
const before = Array.from({ length: written }, (_, n) => `before-${n}`).toSorted();
let hosts: Hosts;

beforeAll(async () => {
  hosts = await startHosts(3);
  await hosts.startDaemons();
  await swarmOfManagers(hosts.all);
});

afterAll(async () => {
  await hosts?.down();
});

const force = (host: Host, ...flags: string[]) =>
  host.docker('swarm', 'init', '--force-new-cluster', ...flags);

test('swarm init --force-new-cluster on a survivor keeps every object; the others come back as workers', async () => {
  const leader = await untilManagers(hosts.all);
  const [survivor, other] = hosts.all.filter((host) => host !== leader) as [Host, Host];
  const lost = [leader, other];
  for (const name of before) await write(leader, name);
  await until(
    async () => (await serviceNames(survivor)).length === written,
    5_000,
    'the survivor to know all',
  );
  const nodes = await survivor.mustDocker('node', 'ls', '-q');
  const token = await survivor.mustDocker('swarm', 'join-token', '-q', 'worker');
  await Promise.all(lost.map((host) => host.powerOff()));
  const isAlone = async (): Promise<boolean> =>
    (await survivor.docker('service', 'ls')).stderr.includes('does not have a leader');
  await until(isAlone, 10_000, 'the survivor to have no leader');

  expect(await force(survivor, '--task-history-limit=3')).toMatchObject({ code: 0 });
  expect(await serviceNames(survivor)).toEqual(before);
  expect((await survivor.mustDocker('node', 'ls', '-q')).split('\n').toSorted()).toEqual(
    nodes.split('\n').toSorted(),
  );
  expect(await managersSeenBy(survivor)).toEqual({
    [survivor.name]: 'Leader',
    ...Object.fromEntries(lost.map(({ name }) => [name, ''])),
  });
  expect(await survivor.mustDocker('swarm', 'join-token', '-q', 'worker')).toBe(token);
  expect(await survivor.mustDocker('info')).toContain('Task History Retention Limit: 3');
  expect(existsSync(join(survivor.stateDir, 'natswarm', 'aside'))).toBe(true);
  await write(survivor, 'zz-after');

  // together they are a majority of what was
  await Promise.all(
    lost.map(async (host) => {
      await host.boot();
      await host.startDaemon();
    }),
  );
  await until(() => areWorkers(survivor, lost), 60_000, 'the others to be workers that are ready');
  expect(await serviceNames(survivor)).toEqual([...before, 'zz-after']);

  for (const { name } of lost) await survivor.mustDocker('node', 'promote', name);
  await untilManagers(hosts.all);
  expect(await serviceNames(leader)).toEqual([...before, 'zz-after']);
});

async function areWorkers(host: Host, others: readonly Host[]): Promise<boolean> {
  const lines = await host.mustDocker('node', 'ls', '--format', '{{.Hostname}} {{.Status}}');
  if (lines.includes('Down') || lines.includes('Unknown')) return false;
  const control = await Promise.all(
    others.map((other) => other.docker('info', '--format', '{{.Swarm.ControlAvailable}}')),
  );
  return control.every(({ stdout }) => stdout.trim() === 'false');
}

test('a worker cannot; a manager that leads can, and is what it was', async () => {
  const leader = await untilManagers(hosts.all);
  const [demoted, kept] = hosts.all.filter((host) => host !== leader) as [Host, Host];
  await leader.mustDocker('node', 'demote', demoted.name);
  await untilManagers([leader, kept]);
  await until(() => areWorkers(leader, [demoted]), 30_000, 'a worker');
  expect((await force(demoted)).stderr).toContain('This node is not a swarm manager.');
  expect(await force(leader)).toMatchObject({ code: 0 });
  expect(await serviceNames(leader)).toEqual([...before, 'zz-after']);
  await until(() => areWorkers(leader, [demoted, kept]), 60_000, 'two workers');
});
