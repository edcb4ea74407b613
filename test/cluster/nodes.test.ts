// Nodes that fall silent, lose their power or their network, are drained, leave and come back.

import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { SLEEP, until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import { join, nodeIdOf } from '../support/swarm-hosts.ts';
import { soon } from '../support/patience.ts';

interface ApiNode {
  readonly ID: string;
  readonly Spec: { readonly Labels: Record<string, string>; readonly Availability: string };
  readonly Description: { readonly Hostname?: string };
  readonly Status: { readonly State: string; readonly Message?: string };
}
interface ApiTask {
  readonly ID: string;
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Status: { readonly State: string };
}

let hosts: Hosts;
let one: Host;
let two: Host;
let three: Host;
/** Node IDs by host, as of the last join. */
const ids = new Map<Host, string>();

const get = async <T>(path: string): Promise<T> => {
  const { status, body, text } = await one.daemon.api('GET', `/v1.51${path}`);
  if (status !== 200) throw new Error(`${path}: ${text}`);
  return body as T;
};
const node = (host: Host): Promise<ApiNode> => get(`/nodes/${ids.get(host)}`);
const stateOf = async (host: Host): Promise<string> => (await node(host)).Status.State;
const untilState = (host: Host, state: string, timeoutMs: number): Promise<void> =>
  until(async () => (await stateOf(host)) === state, timeoutMs, `${host.name} to be ${state}`);

/** The tasks that are wanted and run; `on`: of one host. */
async function running(on?: Host): Promise<readonly string[]> {
  const tasks = await get<readonly ApiTask[]>('/tasks');
  return tasks
    .filter((t) => t.DesiredState === 'running' && t.Status.State === 'running')
    .filter((t) => on === undefined || t.NodeID === ids.get(on))
    .map((t) => t.ID)
    .toSorted();
}
const untilRunning = (count: number, timeoutMs: number, on?: Host): Promise<void> =>
  until(
    async () => (await running(on)).length === count,
    timeoutMs,
    `${count} tasks${on === undefined ? '' : ` on ${on.name}`}`,
  );

/** The tasks whose containers run on the host. */
async function containers(host: Host): Promise<readonly string[]> {
  const label = 'com.docker.swarm.task.id';
  const out = await host.engine.mustDocker(
    'ps',
    `--filter=label=${label}`,
    `--format={{.Label "${label}"}}`,
  );
  return out
    .split('\n')
    .filter((line) => line !== '')
    .toSorted();
}
const untilClean = (host: Host): Promise<void> =>
  until(
    async () => String(await containers(host)) === String(await running(host)),
    20_000,
    `stale tasks of ${host.name} to stop`,
  );

/** States that nodes came to since `from`, ms. */
async function statesSince(from: number): Promise<readonly string[]> {
  const filters = encodeURIComponent('{"type":["node"]}');
  const { text } = await one.daemon.api(
    'GET',
    `/v1.51/events?since=${from / 1_000}&until=${Date.now() / 1_000}&filters=${filters}`,
  );
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const { Actor } = JSON.parse(line) as { Actor: { Attributes: Record<string, string> } };
      return Actor.Attributes['state.new'] ?? [];
    });
}

/** Tasks of `web` on all three hosts again: those that were away get theirs by scaling. */
async function spread(): Promise<void> {
  await one.mustDocker('service', 'scale', '--detach', 'web=1');
  await untilRunning(1 + 3, 20_000);
  await one.mustDocker('service', 'scale', '--detach', 'web=6');
  await untilRunning(6 + 3, 20_000);
  for (const host of hosts.all) expect(await running(host)).toHaveLength(3);
}

/** The leader hears from the host and is heard there: it gives it a task, and takes it back. */
async function untilWorks(host: Host): Promise<void> {
  const before = (await running(host)).length;
  const place = `--constraint=node.id==${ids.get(host)}`;
  const create = ['service', 'create', '--detach', '--no-resolve-image', '--name=probe'];
  await one.mustDocker(...create, place, SLEEP);
  await untilRunning(before + 1, 5_000, host);
  await one.mustDocker('service', 'rm', 'probe');
  await untilRunning(before, 5_000, host);
}

async function enter(host: Host, manager: Host = one): Promise<void> {
  await join(host, manager, 'worker');
  ids.set(host, await nodeIdOf(host));
}

beforeAll(async () => {
  hosts = await startHosts(3, {
    daemonArgs: ['--label', 'site=lab', '--label', 'rack=a', '--engine-grace', '8s'],
    engineArgs: ['--live-restore'],
  });
  [one, two, three] = [hosts.host(1), hosts.host(2), hosts.host(3)];
  await hosts.loadImage();
  await hosts.startDaemons();
  await one.mustDocker('swarm', 'init');
  ids.set(one, await nodeIdOf(one));
  await enter(two);
  await enter(three);
  for (const host of hosts.all) await untilState(host, 'ready', 10_000);
  const create = ['service', 'create', '--detach', '--no-resolve-image', '--name'];
  await one.mustDocker(...create, 'web', '--replicas=6', SLEEP);
  await one.mustDocker(...create, 'everywhere', '--mode=global', SLEEP);
  await untilRunning(9, 20_000);
});

afterAll(async () => {
  await hosts?.down();
});

afterEach(async () => {
  await hosts.heal();
});

test.each([
  ['a daemon that stands still', () => two.pause('daemon'), async () => two.resume('daemon')],
  ['a network that is away', () => hosts.cut(two), () => hosts.heal(two)],
  ['a leader that stands still', () => one.pause('daemon'), async () => one.resume('daemon')],
  ['a bus server that stands still', () => one.pause('server'), async () => one.resume('server')],
])('%s for 2 s moves nothing', async (_, harm, mend) => {
  const tasks = await running();
  const began = Date.now();
  await harm();
  await sleep(2_000);
  await mend();
  await untilWorks(two);
  expect(await running()).toEqual(tasks);
  expect(await statesSince(began)).toEqual([]);
  await untilClean(two);
});

test('a silent node is down after about 3 s; when it speaks again its stale tasks stop', async () => {
  const stale = await running(two);
  await two.pause('daemon');
  const began = performance.now();
  await untilState(two, 'down', 10_000);
  const tookMs = performance.now() - began;
  expect(tookMs).toBeGreaterThan(2_000);
  expect(tookMs).toBeLessThan(soon(4_000));
  expect((await node(two)).Status.Message).toBe('heartbeat failure');
  await untilRunning(6 + 2, 3_000);
  expect(await running(two)).toEqual([]);
  // whatever the leader thinks, they run as long as nobody stops them
  expect(await containers(two)).toEqual(stale);
  two.resume('daemon');
  await untilState(two, 'ready', 5_000);
  // a global service comes back by itself, a replicated one moves nothing
  await untilRunning(6 + 3, 10_000);
  await untilClean(two);
  expect(await containers(two)).toHaveLength(1);
  await spread();
});

test('power lost: the tasks run elsewhere soon; with power the node is used again', async () => {
  const began = performance.now();
  const off = two.powerOff();
  await until(async () => (await running(two)).length === 0, 10_000, 'the loss to be noticed');
  await untilRunning(6 + 2, 10_000);
  expect(performance.now() - began).toBeLessThan(soon(6_000));
  await off;
  await two.boot();
  await two.startDaemon();
  await untilState(two, 'ready', 10_000);
  await untilRunning(6 + 3, 10_000);
  await untilClean(two);
  await spread();
});

test('a network that is away for longer: tasks are replaced, and stale ones stop afterwards', async () => {
  const stale = await running(three);
  await hosts.cut(three);
  await untilState(three, 'down', 6_000);
  await untilRunning(6 + 2, 5_000);
  expect(await containers(three)).toEqual(stale);
  await hosts.heal(three);
  await untilState(three, 'ready', 15_000);
  await untilRunning(6 + 3, 10_000);
  await untilClean(three);
  await spread();
});

test('an engine that hangs: its node is down and says why, and nothing has happened when it goes on', async () => {
  const tasks = await running();
  const from = Date.now();
  await one.pause('engine');
  await untilState(one, 'down', 10_000);
  expect(Date.now() - from).toBeLessThan(soon(10_000));
  expect((await node(one)).Status.Message).toBe('the engine is away: no answer to a ping in 2 s');
  expect(await running()).toEqual(tasks);
  one.resume('engine');
  await untilState(one, 'ready', 5_000);
  expect(await running()).toEqual(tasks);
  expect(await statesSince(from)).toEqual(['down', 'ready']);
  expect(await containers(one)).toEqual(await running(one));
});

test('an engine that dies: nothing new comes there, a drain ends, tasks are replaced after the grace, and none runs twice', async () => {
  const stale = await running(three);
  await three.engine.kill();
  await untilState(three, 'down', 10_000);
  expect((await node(three)).Status.Message).toMatch(/^the engine is away: connect E/);
  expect(await running(three)).toEqual(stale);
  await one.mustDocker('service', 'scale', '--detach', 'web=8');
  await one.mustDocker('node', 'update', '--availability=drain', ids.get(three) ?? '');
  await untilRunning(8 + 2, 20_000);
  expect(await running(three)).toEqual([]);
  await one.mustDocker('node', 'update', '--availability=active', ids.get(three) ?? '');
  await three.engine.start();
  await untilState(three, 'ready', 10_000);
  await untilRunning(8 + 3, 10_000);
  await untilClean(three);
  const now = await containers(three);
  expect(now.filter((task) => stale.includes(task))).toEqual([]);
  await spread();
});

test('drain empties a node, pause keeps what runs and takes nothing new, active takes again', async () => {
  const availability = (to: string) =>
    one.mustDocker('node', 'update', `--availability=${to}`, ids.get(two) ?? '');
  await availability('drain');
  expect((await node(two)).Status.Message).toBe('no tasks: the node is drained');
  await untilRunning(6 + 2, 10_000);
  await until(async () => (await containers(two)).length === 0, 10_000, 'h2 to be empty');
  await availability('pause');
  await one.mustDocker('service', 'scale', '--detach', 'web=9');
  await untilRunning(9 + 2, 10_000);
  expect(await containers(two)).toEqual([]);
  await availability('active');
  await untilRunning(9 + 3, 10_000);
  await one.mustDocker('service', 'scale', '--detach', 'web=12');
  await untilRunning(12 + 3, 10_000);
  expect((await running(two)).length).toBe(4);
  await availability('pause');
  const kept = await running(two);
  await one.mustDocker('service', 'scale', '--detach', 'web=14');
  await untilRunning(14 + 3, 10_000);
  expect(await running(two)).toEqual(kept);
  expect(await stateOf(two)).toBe('ready');
  await availability('active');
  await spread();
  expect((await node(two)).Status.Message ?? '').toBe('');
});

test('the labels that a daemon is given are the node’s from the start, and only then', async () => {
  for (const host of hosts.all)
    expect((await node(host)).Spec.Labels).toEqual({ site: 'lab', rack: 'a' });
  await one.mustDocker(
    'node',
    'update',
    '--label-add=rack=b',
    '--label-rm=site',
    ids.get(two) ?? '',
  );
  await two.stopDaemon();
  await two.startDaemon();
  await untilState(two, 'ready', 10_000);
  expect((await node(two)).Spec.Labels).toEqual({ rack: 'b' });
});

test('a node that leaves is down at once; it joins again as another of the same name', async () => {
  await spread();
  const left = ids.get(three) ?? '';
  const leaving = three.mustDocker('swarm', 'leave');
  await until(async () => (await running(three)).length === 0, 1_000, 'the leave to be noticed');
  await leaving;
  expect(await stateOf(three)).toBe('down');
  await untilRunning(6 + 2, 5_000);
  expect(await containers(three)).toEqual([]);
  const old = await get<readonly ApiTask[]>('/tasks');
  const states = old.filter((t) => t.NodeID === left).map((t) => t.Status.State);
  expect(new Set(states)).toEqual(new Set(['shutdown']));

  await enter(three);
  expect(ids.get(three)).not.toBe(left);
  await untilState(three, 'ready', 5_000);
  await untilRunning(6 + 3, 10_000);
  expect((await node(three)).Spec.Labels).toEqual({ site: 'lab', rack: 'a' });
  const listed = await one.mustDocker('node', 'ls', '--filter=name=h3', '--format={{.Status}}');
  expect(listed.split('\n').toSorted()).toEqual(['Down', 'Ready']);
  const ambiguous = await one.docker('node', 'inspect', 'h3');
  expect(ambiguous.stderr).toMatch(
    /node h3 is ambiguous \(2 matches found\): .*; say which by its ID/,
  );
  await one.mustDocker('node', 'rm', left);
  await one.mustDocker('node', 'inspect', 'h3');
});

test('two hosts of one name are two nodes, and each keeps to its own tasks', async () => {
  await three.mustDocker('swarm', 'leave');
  await one.mustDocker('node', 'rm', ids.get(three) ?? '');
  await three.exec(['hostname', two.name]);
  await enter(three);
  await untilState(three, 'ready', 5_000);
  await spread();
  const names = await one.mustDocker('node', 'ls', '--format={{.Hostname}} {{.Status}}');
  expect(names.split('\n').toSorted()).toEqual(['h1 Ready', 'h2 Ready', 'h2 Ready']);
  for (const host of [two, three]) await untilClean(host);
  await one.mustDocker('node', 'update', '--availability=drain', ids.get(two) ?? '');
  await untilRunning(6 + 2, 10_000);
  expect(await running(two)).toEqual([]);
  for (const host of [two, three]) await untilClean(host);
});

test('a leader cut off from all others gives up one of them, not both; who flaps rests', async () => {
  await one.mustDocker('node', 'update', '--availability=active', ids.get(two) ?? '');
  await spread();
  const before = new Map([two, three].map((host) => [host, [] as readonly string[]]));
  for (const host of before.keys()) before.set(host, await running(host));
  await hosts.cut(one);
  for (const host of before.keys()) await untilState(host, 'down', 6_000);
  await hosts.heal(one);
  for (const host of before.keys()) await untilState(host, 'ready', 10_000);
  await until(async () => (await running()).length >= 6 + 2, 10_000, 'all tasks');
  for (const host of before.keys()) await untilClean(host);
  const kept: Host[] = [];
  for (const [host, tasks] of before) {
    const now = await containers(host);
    if (tasks.every((task) => now.includes(task))) kept.push(host);
  }
  expect(kept).toHaveLength(1);
  // it was paused, lost its power and was cut off: three times within ten minutes
  expect((await node(two)).Status.Message).toMatch(/^was down too often: no new tasks for /);
  expect((await node(three)).Status.Message ?? '').toBe('');
});

test('a node leaves for another cluster', async () => {
  await three.mustDocker('swarm', 'leave');
  await three.mustDocker('swarm', 'init');
  await two.mustDocker('swarm', 'leave');
  await join(two, three, 'worker');
  const status = '--format={{.Status}}';
  const ready = async () => (await three.mustDocker('node', 'ls', status)) === 'Ready\nReady';
  await until(ready, 10_000, 'both nodes of the other cluster');
  const task = ['service', 'create', '--detach', '--no-resolve-image', '--mode=global', SLEEP];
  await three.mustDocker(...task);
  await until(async () => (await containers(two)).length === 1, 10_000, 'a task of it');
  // what the first cluster knows of them is history
  for (const host of [two, three]) expect(await stateOf(host)).toBe('down');
  await untilRunning(6 + 1, 10_000);
});
