// Logs of tasks on other nodes, through managers that lead and through such that do not, with the docker CLI.

import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import { join, nodeIdOf, untilManagers } from '../support/swarm-hosts.ts';

let hosts: Hosts;
let leader: Host;
let follower: Host;
let worker: Host;
const ids = new Map<Host, string>();

beforeAll(async () => {
  hosts = await startHosts(3);
  [leader, follower, worker] = [hosts.host(1), hosts.host(2), hosts.host(3)];
  await hosts.loadImage();
  await hosts.startDaemons();
  await leader.mustDocker('swarm', 'init', '--advertise-addr', leader.ip);
  await join(follower, leader, 'manager');
  await join(worker, leader, 'worker');
  await untilManagers([leader, follower]);
  for (const host of hosts.all) ids.set(host, await nodeIdOf(host));
  // each says its name, so that lines can be told apart without details
  await service(
    'talks',
    'global',
    'for i in 1 2 3; do echo $NODE out $i; done; echo $NODE err >&2',
  );
});

afterAll(() => hosts?.down());
afterEach(() => hosts.heal());

/** A service whose tasks run a script and stay. */
async function service(name: string, mode: string, script: string, ...flags: string[]) {
  const create = [
    'service',
    'create',
    '--quiet',
    '--no-resolve-image',
    '--env',
    'NODE={{.Node.Hostname}}',
  ];
  const run = ['natswarm-sleep:1', 'sh', '-c', `trap 'exit 0' TERM; ${script}; sleep 1000 & wait`];
  await leader.mustDocker(...create, '--name', name, '--mode', mode, ...flags, ...run);
}

async function logs(through: Host, ...args: string[]): Promise<readonly string[]> {
  const { stdout, stderr } = await through.docker('service', 'logs', ...args);
  return `${stdout}${stderr}`
    .split('\n')
    .filter((line) => line !== '')
    .toSorted();
}

/** The first task of a service on a host. */
async function taskOn(host: Host, name: string): Promise<string> {
  const filter = `--filter=node=${ids.get(host)}`;
  return (
    (await leader.mustDocker('service', 'ps', '-q', '--no-trunc', filter, name)).split('\n')[0] ??
    ''
  );
}

const said = ['h1', 'h2', 'h3']
  .flatMap((name) => ['err', 'out 1', 'out 2', 'out 3'].map((text) => `${name} ${text}`))
  .toSorted();

test('every manager has the lines of all nodes', async () => {
  for (const through of [leader, follower]) {
    await until(
      async () => (await logs(through, '--raw', 'talks')).length >= 12,
      20_000,
      'the lines',
    );
    expect(await logs(through, '--raw', 'talks')).toEqual(said);
    expect(await logs(through, '--raw', '--tail', '1', 'talks')).toHaveLength(3);
    expect(await logs(through, '--raw', '--tail', '0', 'talks')).toEqual([]);
    expect(await logs(through, '--raw', '--since', '1h', 'talks')).toEqual(said);
    const stamped = await logs(through, '--raw', '--timestamps', 'talks');
    expect(
      stamped.map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z /, '')).toSorted(),
    ).toEqual(said);
    expect(stamped.every((line) => /^\d{4}-.*Z h\d /.test(line))).toBe(true);
  }
  const later = String(Math.floor(Date.now() / 1_000) + 5);
  expect(await logs(follower, '--raw', '--since', later, 'talks')).toEqual([]);
});

test('details name node, service and task', async () => {
  const task = await taskOn(worker, 'talks');
  const long = await logs(follower, '--no-trunc', 'talks');
  expect(long).toContainEqual(`talks.0.${task}@h3    | h3 out 1`);
  expect(long).toHaveLength(12);
  const details = await logs(follower, '--details', '--raw', task);
  const attributes = `com.docker.swarm.node.id=${ids.get(worker)},com.docker.swarm.service.id=`;
  expect(details).toHaveLength(4);
  for (const line of details)
    expect(line).toMatch(new RegExp(`^${attributes}\\w+,com.docker.swarm.task.id=${task} h3 `));
});

test('a task of another node, by its ID', async () => {
  for (const through of [leader, follower])
    expect(await logs(through, '--raw', await taskOn(worker, 'talks'))).toEqual(
      said.filter((line) => line.startsWith('h3')),
    );
});

/** `docker service logs --follow`, and what it has printed. */
class Following {
  out = '';
  readonly #child: ChildProcess;
  constructor(through: Host, ...args: string[]) {
    const env = { ...process.env, DOCKER_HOST: `unix://${through.daemon.socket}` };
    const stdio = ['ignore', 'pipe', 'pipe'] as const;
    this.#child = spawn('docker', ['service', 'logs', '--follow', ...args], {
      env,
      stdio: [...stdio],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (data: Buffer) => (this.out += data.toString()));
  }
  get lines(): readonly string[] {
    return this.out.split('\n').slice(0, -1);
  }
  get isOpen(): boolean {
    return this.#child.exitCode === null;
  }
  async stop(): Promise<void> {
    if (!this.isOpen) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

/** What each container has counted, the first first. */
function counts(following: Following): readonly (readonly number[])[] {
  const by = new Map<string, number[]>();
  for (const line of following.lines) {
    const [, container = '', number] = /(\w+) count (\d+)$/.exec(line) ?? [];
    if (number !== undefined) by.set(container, [...(by.get(container) ?? []), Number(number)]);
  }
  return [...by.values()];
}
const sum = (lists: readonly (readonly number[])[]): number => lists.flat().length;

test('a worker that is killed and comes back is named once, and no line is missing or there twice', async () => {
  const count = 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo $h count $i; sleep 0.05; done';
  await service(
    'counts',
    'global',
    `h=$(hostname); ${count}`,
    `--constraint=node.id==${ids.get(worker)}`,
  );
  const followed = [new Following(leader, '--raw', 'counts'), new Following(follower, 'counts')];
  for (const one of followed) await until(() => sum(counts(one)) > 20, 20_000, 'lines');
  await worker.killDaemon();
  const away = `node ${ids.get(worker)} is not available`;
  for (const one of followed)
    await until(() => one.out.includes(away), 20_000, 'the node to be named');
  const before = followed.map((one) => sum(counts(one)));
  await worker.startDaemon();
  // what the lost task wrote meanwhile comes, and its successor's lines
  for (const [i, one] of followed.entries())
    await until(
      () => {
        const [lost = [], next = []] = counts(one);
        return lost.length > (before[i] ?? 0) + 20 && next.length > 20;
      },
      30_000,
      'the lines of before and of after',
    );
  for (const one of followed) {
    expect(one.isOpen).toBe(true);
    expect(one.lines.filter((line) => line.includes('is not available'))).toHaveLength(1);
    for (const numbers of counts(one)) expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    await one.stop();
  }
  await leader.mustDocker('service', 'rm', 'counts');
});

test('a node that is away is named at the end, and keeps nobody from the others', async () => {
  await hosts.cut(worker);
  const away = async (): Promise<boolean> =>
    (await logs(leader, '--raw', 'talks')).some((line) =>
      line.includes(`node ${ids.get(worker)} is not available`),
    );
  await until(away, 20_000, 'the node to be named');
  const lines = await logs(leader, '--raw', 'talks');
  expect(lines.filter((line) => /^h[12] /.test(line))).toHaveLength(8);
  expect(lines.filter((line) => line.includes('incomplete log stream'))).toHaveLength(1);
});

const rssMb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;

test('64 MB come through a reader that stops in between, in constant memory', async () => {
  const bytes = 64_000_000;
  const line = 'x'.repeat(999);
  await service(
    'pours',
    'global',
    `yes ${line} | head -c ${bytes}`,
    `--constraint=node.id==${ids.get(worker)}`,
  );
  await until(
    async () => (await logs(leader, '--raw', '--tail', '1', 'pours')).length === 1,
    20_000,
    'lines',
  );
  const daemons = [follower.pid('daemon'), worker.pid('daemon')];
  const req = request({
    socketPath: follower.daemon.socket,
    path: '/v1.51/services/pours/logs?stdout=1&follow=1',
  });
  const [res] = (await once(req.end(), 'response')) as [IncomingMessage];
  const before = daemons.map(rssMb);
  let received = 0;
  let most = 0;
  for await (const chunk of res as AsyncIterable<Buffer>) {
    const quarter = Math.floor(received / (bytes / 4));
    received += chunk.length;
    most = Math.max(most, ...daemons.map((pid, i) => rssMb(pid) - (before[i] ?? 0)));
    if (Math.floor(received / (bytes / 4)) !== quarter) {
      // while nobody reads here, others get what they ask for
      expect(await logs(follower, '--raw', await taskOn(worker, 'talks'))).toHaveLength(4);
    }
    if (received >= (bytes / 1_000) * 1_008) break;
  }
  expect(received).toBe((bytes / 1_000) * 1_008);
  expect(most).toBeLessThan(64);
  req.destroy();
});
