// A disk of a manager is rolled back: a snapshot of the machine was restored, or a copy of its server's store put back.
// What was acknowledged after it must not be lost by that. (All cases of who is off, behind, current: test/sim.)

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import {
  managersSeenBy,
  said,
  serviceNames,
  swarmOfManagers,
  untilManagers,
  write,
} from '../support/swarm-hosts.ts';

const patienceMs = 60_000;
let hosts: Hosts;
/** In turn: a server that was made anew is not stopped again at once. */
let a: Host;
let b: Host;
let c: Host;
const acked: string[] = [];

beforeAll(async () => {
  hosts = await startHosts(3);
  [b, c, a] = hosts.all as [Host, Host, Host];
  await hosts.startDaemons();
  await swarmOfManagers(hosts.all);
});

afterAll(async () => {
  await hosts?.down();
});

const stateOf = (host: Host): string => join(host.stateDir, 'natswarm');
const copyOf = (host: Host): string => join(host.stateDir, 'copy');

function snapshot(host: Host): void {
  rmSync(copyOf(host), { recursive: true, force: true });
  cpSync(stateOf(host), copyOf(host), { recursive: true });
}
function rollBack(host: Host, part: '' | 'store'): void {
  const to = join(stateOf(host), part);
  rmSync(to, { recursive: true });
  cpSync(join(copyOf(host), part), to, { recursive: true });
}

async function writeMany(through: Host, what: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const name = `${what}-${n}`;
    await write(through, name);
    acked.push(name);
  }
}

async function expectAll(): Promise<void> {
  await untilManagers(hosts.all);
  for (const host of hosts.all) expect(await serviceNames(host)).toEqual(acked.toSorted());
}

const infoError = async (host: Host): Promise<string> =>
  said(await host.docker('info', '--format', '{{.Swarm.Error}}'));
const noticeOf = async (host: Host, through: Host): Promise<string> =>
  through.mustDocker('node', 'inspect', host.name, '--format', '{{.Status.Message}}');
const asideOf = (host: Host): readonly string[] =>
  existsSync(join(stateOf(host), 'aside')) ? readdirSync(join(stateOf(host), 'aside')) : [];

test.each<[string, '' | 'store', () => Host]>([
  ['the whole disk', '', () => b],
  ["the server's store", 'store', () => c],
])('the others are current: %s is what it was before the last start', async (_, part, which) => {
  const victim = which();
  await victim.stopDaemon();
  snapshot(victim);
  await victim.startDaemon();
  await untilManagers(hosts.all);
  await writeMany(a, `since-${part}`, 5);
  await victim.stopDaemon();
  rollBack(victim, part);
  await victim.startDaemon();
  await expectAll();
  expect(asideOf(victim)).toHaveLength(1);
  expect(victim.daemon.log()).toContain('"rolled_back_disk_set_aside"');
  const isTold = async (): Promise<boolean> => (await noticeOf(victim, a)).includes('was not used');
  await until(isTold, patienceMs, 'a notice');
  expect(await infoError(victim)).toBe('');
});

test('another one is off and behind: together they are no quorum, and the third has it all', async () => {
  await a.stopDaemon();
  snapshot(a);
  await a.startDaemon();
  await untilManagers(hosts.all);
  await b.stopDaemon();
  await writeMany(a, 'without-b', 50);
  await Promise.all([a.stopDaemon(), c.stopDaemon()]);
  rollBack(a, '');
  await Promise.all([a.startDaemon(), b.startDaemon()]);
  await until(
    async () => (await infoError(a)).includes('was not used'),
    patienceMs,
    'it to say so',
  );
  for (const host of [a, b]) await expect(write(host, 'too-early')).rejects.toThrow();
  await c.startDaemon();
  await expectAll();
  // an ordinary start is no news, and ends what there was
  await until(async () => (await noticeOf(b, a)) === '', patienceMs, 'no notice any more');
  expect(asideOf(b)).toHaveLength(1);
});

test('nobody who is there has seen more: the third stands aside, says so, and takes nobody down', async () => {
  await b.stopDaemon();
  await a.stopDaemon();
  snapshot(a);
  await a.startDaemon();
  await until(
    () =>
      write(a, 'lost').then(
        () => true,
        () => false,
      ),
    patienceMs,
    'a leader',
  );
  await until(async () => (await serviceNames(c)).includes('lost'), patienceMs, 'c to have it');
  await Promise.all([a.stopDaemon(), c.stopDaemon()]);
  rollBack(a, '');
  await Promise.all([a.startDaemon(), b.startDaemon()]);
  await until(
    () =>
      write(b, 'gone-on').then(
        () => true,
        () => false,
      ),
    patienceMs,
    'a leader',
  );
  acked.push('gone-on');
  await c.startDaemon();
  // for a moment it is in doubt only: a leader of the log that was just elected may not have all of it
  await until(
    async () => (await infoError(c)).includes('natswarm follow'),
    patienceMs,
    'it to say what to do',
  );
  expect(await infoError(c)).toContain('contradict each other');
  expect(await infoError(c)).toContain('docker swarm init --force-new-cluster');
  expect(said(await c.docker('service', 'ls'))).toContain('contradict each other');
  await until(
    async () => (await managersSeenBy(a))[c.name] === 'Unreachable',
    patienceMs,
    'it to be away',
  );
  expect(await noticeOf(c, a)).toContain('contradict');
  await writeMany(b, 'they-go-on', 5);
  expect(await serviceNames(a)).toEqual(acked.toSorted());
  expect(await serviceNames(b)).toEqual(acked.toSorted());
  // neither a restart of it nor of the others changes that
  await c.stopDaemon();
  await c.startDaemon();
  await until(async () => (await infoError(c)).includes('contradict'), patienceMs, 'it to say so');
  await writeMany(a, 'they-still-do', 1);
  const { status, text } = await c.daemon.api('POST', '/natswarm/log/follow');
  expect([status, text]).toEqual([200, '']);
  await expectAll();
  expect(await infoError(c)).toBe('');
});
