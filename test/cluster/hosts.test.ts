// The hosts that the tests of whole clusters stand on.

import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processesWith } from '../support/daemon.ts';
import { BASH, httpGet, run, SLEEP, until, WEB_1 } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import {
  cgroupsOf,
  hasEnded,
  must,
  netnsOf,
  OWNER_FILE,
  sweep,
  thisOwner,
} from '../support/hosts/processes.ts';

let hosts: Hosts;
let one: Host;
let two: Host;

beforeAll(async () => {
  hosts = await startHosts(2);
  one = hosts.host(1);
  two = hosts.host(2);
  await hosts.loadImage();
  for (const host of hosts.all)
    await host.engine.mustDocker('run', '--detach', '--restart=always', '--publish=80:80', WEB_1);
});

afterAll(async () => {
  await hosts?.down();
});

afterEach(async () => {
  await hosts.heal();
});

/** Everything that hosts whose names begin so could leave on the machine. */
function leftovers(prefix: string): readonly string[] {
  return [
    ...processesWith(prefix).map((pid) => `process ${pid}`),
    ...netnsOf(prefix),
    ...cgroupsOf(prefix),
    ...readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(prefix)),
    ...readdirSync(tmpdir()).filter((name) => name.startsWith(prefix)),
  ];
}

function reaches(from: Host, to: Host): Promise<boolean> {
  return httpGet(from.engine, to.ip, 80, '/', 2_000).then(
    ({ status }) => status === 200,
    () => false,
  );
}

const untilReached = (from: Host, to: Host): Promise<void> =>
  until(() => reaches(from, to), 20_000, `${from.name} to reach ${to.name}`);

const LISTEN = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', () => process.stdout.write('heard '));
socket.bind(9, () => process.stdout.write('ready '));`;
const SEND = 'for n in {1..10}; do echo hello >"/dev/udp/$1/9"; sleep 0.05; done';

/** Whether a datagram arrives, from `one` to `two` and back; unlike a connection it needs one direction only. */
async function heard(): Promise<string> {
  const hears = async (host: Host, from: Host): Promise<boolean> => {
    const [program, ...args] = [
      ...host.engine.enterNetwork,
      process.execPath,
      '-e',
      LISTEN,
    ] as const;
    const listener = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    listener.stdout.on('data', (chunk: Buffer) => (said += String(chunk)));
    await until(() => said.includes('ready'), 5_000, `a listener on ${host.name}`);
    await from.net([...BASH, SEND, 'send', host.ip]);
    const isHeard = said.includes('heard');
    listener.kill('SIGKILL');
    await once(listener, 'exit');
    return isHeard;
  };
  const [byTwo, byOne] = await Promise.all([hears(two, one), hears(one, two)]);
  return `${byOne ? '<' : '-'}${byTwo ? '>' : '-'}`;
}

test('each host has its own engine, name, address and processes', async () => {
  for (const host of hosts.all) {
    const info = await host.engine.mustDocker('info', '--format={{.Name}} {{.Containers}}');
    expect(info).toBe(`${host.name} 1`);
    expect((await host.exec(['hostname'])).stdout.trim()).toBe(host.name);
    const addresses = (await host.exec(['ip', '-4', '-brief', 'address'])).stdout;
    expect(addresses).toContain(`${host.ip}/24`);
    // dockerd, its container and what is between
    expect(host.processes()).toContain(host.engine.pid);
    expect(host.processes().length).toBeGreaterThan(3);
  }
  expect(one.processes().filter((pid) => two.processes().includes(pid))).toEqual([]);
});

test('hosts reach each other, and a client outside reaches them', async () => {
  await untilReached(one, two);
  await untilReached(two, one);
  const script = 'exec 3<>"/dev/tcp/$1/80"';
  expect((await hosts.outside([...BASH, script, 'client', one.ip])).code).toBe(0);
  // nobody: told at once, not after a timeout
  const nowhere = await one.net([...BASH, script, 'client', '192.0.2.1'], {
    timeoutMs: 5_000,
  });
  expect(nowhere.stderr).toMatch(/No route to host/);
});

test('a cut ends all traffic, healing restores it', async () => {
  await hosts.cut(one);
  expect(await reaches(one, two)).toBe(false);
  expect(await reaches(two, one)).toBe(false);
  // as behind a switch: the host itself sees no broken cable
  const carrier = await one.exec(['cat', '/sys/class/net/eth0/carrier']);
  expect(carrier.stdout.trim()).toBe('1');
  await hosts.heal(one);
  await untilReached(one, two);
  await untilReached(two, one);

  await hosts.cut(one, two);
  expect(await reaches(one, two)).toBe(false);
  const script = 'exec 3<>"/dev/tcp/$1/80"';
  expect((await hosts.outside([...BASH, script, 'client', one.ip])).code).toBe(0);
  await hosts.heal();
  await untilReached(two, one);
});

test.each([
  ['what a host sends', () => hosts.cutFrom(one)],
  ['what a host sends to another', () => hosts.cutFrom(one, two)],
  ['what a host is sent', () => hosts.cutTo(two)],
])('a cut of %s leaves the other way open', async (_, cut) => {
  await untilReached(one, two);
  await cut();
  const isOneWay = async (): Promise<boolean> => {
    const ways = await heard();
    expect(ways).not.toContain('>');
    return ways === '<-';
  };
  await until(isOneWay, 10_000, 'the other way');
  await hosts.heal();
  await until(async () => (await heard()) === '<>', 10_000, 'both ways');
});

const DRAIN =
  "require('node:net').createServer((s) => s.resume().on('end', () => process.exit())).listen(9)";
const FILL = `
const begun = performance.now();
const socket = require('node:net').connect(9, process.argv[1]).on('error', () => {});
socket.on('close', (failed) => {
  process.exitCode = failed ? 1 : 0;
  process.stdout.write(String(performance.now() - begun));
});
socket.resume().end(Buffer.alloc(250_000));`;

/** How long it takes to send 2 Mbit, ms. */
async function sendMs(from: Host, to: Host): Promise<number> {
  const drain = to.net([process.execPath, '-e', DRAIN]);
  const fill = () => from.net([process.execPath, '-e', FILL, to.ip], { timeoutMs: 30_000 });
  let sent = await fill();
  await until(async () => sent.code === 0 || (sent = await fill()).code === 0, 30_000, 'the drain');
  await drain;
  return Number(sent.stdout);
}

test('a host can be made slow, by delay where the kernel has it', async () => {
  await hosts.throttle(one, 1_000);
  expect(await sendMs(one, two)).toBeGreaterThan(1_000);
  expect(await sendMs(two, one)).toBeGreaterThan(1_000);
  await hosts.throttle(one, 0);
  const isFast = async (): Promise<boolean> => (await sendMs(one, two)) < 1_000;
  await until(isFast, 10_000, 'full speed');

  if (await hosts.canSlow()) {
    await hosts.slow(one, 200);
    const begun = performance.now();
    await httpGet(one.engine, two.ip, 80, '/', 10_000);
    expect(performance.now() - begun).toBeGreaterThan(800);
    await hosts.slow(one, 0);
  } else await expect(hosts.slow(one, 200)).rejects.toThrow(/netem/);
});

test('a daemon in the host makes a swarm; it can be paused, ended and killed', async () => {
  await one.startDaemon();
  await one.mustDocker('swarm', 'init');
  const node = '{{.Hostname}} {{.Status}} {{.ManagerStatus}}';
  const nodes = () => one.mustDocker('node', 'ls', `--format=${node}`);
  await until(async () => (await nodes()) === 'h1 Ready Leader', 5_000, 'the node to be ready');
  const address = await one.mustDocker('info', '--format={{.Swarm.NodeAddr}}');
  expect(address).toBe(one.ip);
  expect(existsSync(join(one.stateDir, 'natswarm'))).toBe(true);
  const leads = () =>
    until(
      async () => (await one.docker('node', 'ls', `--format=${node}`)).stdout.includes('Leader'),
      30_000,
      'a leader',
    );

  await one.pause('daemon');
  let answered = false;
  const ping = one.daemon.api('GET', '/_ping').then(() => (answered = true));
  // the engine beside it answers meanwhile
  await one.engine.mustDocker('version');
  expect(answered).toBe(false);
  one.resume('daemon');
  await ping;

  const server = one.pid('server');
  await one.killServer();
  await until(() => ![0, server].includes(one.pid('server')), 30_000, 'another nats-server');
  await leads();

  for (const end of [() => one.stopDaemon(), () => one.killDaemon()]) {
    // even while it is paused
    await one.pause('daemon');
    await end();
    expect([one.pid('daemon'), one.pid('server')]).toEqual([0, 0]);
    await one.startDaemon();
    await leads();
  }
});

test('a power failure ends every process, booting brings back the data', async () => {
  const container = await one.engine.mustDocker('run', '--detach', SLEEP);
  const processes = one.processes();
  expect(processes).toEqual(expect.arrayContaining([one.pid('daemon'), one.pid('server')]));
  await one.pause('daemon');
  await one.powerOff();
  expect(processes.filter((pid) => !hasEnded(pid))).toEqual([]);
  expect(one.powered).toBe(false);
  expect(await reaches(two, one)).toBe(false);
  expect((await two.engine.docker('version')).code).toBe(0);

  await one.boot();
  const state = `--format={{.State.Status}} {{.Config.Image}}`;
  expect(await one.engine.mustDocker('inspect', state, container)).toBe(`exited ${SLEEP}`);
  await untilReached(two, one);
  await one.startDaemon();
  const name = '--format={{.Hostname}} {{.Status}}';
  const ready = async () => (await one.docker('node', 'ls', name)).stdout === 'h1 Ready\n';
  await until(ready, 30_000, 'the swarm of before');
});

test('a paused engine does not answer until it is resumed', async () => {
  await two.pause('engine');
  const paused = await run(['docker', '-H', `unix://${two.engine.socket}`, 'ps'], {
    timeoutMs: 2_000,
  });
  expect(paused.code).toBe(137);
  two.resume('engine');
  expect(await two.engine.mustDocker('ps', '--quiet')).not.toBe('');
});

test('another set of hosts, with the same addresses and a place for its state, is not in the way', async () => {
  const stateRoot = await mkdtemp(join(tmpdir(), 'natswarm-state-'));
  const subnet = one.ip.split('.').slice(0, 3).join('.');
  const others = await startHosts(1, { stateRoot, subnet });
  try {
    expect(others.host(1).ip).toBe(one.ip);
    expect(await reaches(others.host(1), two)).toBe(false);
    await untilReached(one, two);
    expect(readdirSync(stateRoot)).toEqual([`${others.prefix}-h1`]);
    expect(existsSync(join(others.host(1).stateDir, 'engine/image'))).toBe(true);
  } finally {
    await others.down();
  }
  expect(readdirSync(stateRoot)).toEqual([]);
  expect(leftovers(others.prefix)).toEqual([]);
  await rm(stateRoot, { recursive: true });
});

test('what a test left that died with its helpers is removed, and nothing else', async () => {
  const prefix = `natswarm-h-${randomBytes(4).toString('hex')}`;
  const dir = join(tmpdir(), prefix);
  const state = await mkdtemp(join(tmpdir(), 'natswarm-state-'));
  mkdirSync(dir);
  // this process's number, from another time
  writeFileSync(join(dir, OWNER_FILE), JSON.stringify({ ...thisOwner([state]), started: '1' }));
  mkdirSync(`/sys/fs/cgroup/pids/${prefix}-h1/container`, { recursive: true });
  await must(['ip', 'netns', 'add', `${prefix}-h1`]);
  const asleep = run(['nsenter', `--net=/run/netns/${prefix}-h1`, 'sleep', '600']);
  const inside = async () => (await run(['ip', 'netns', 'pids', `${prefix}-h1`])).stdout !== '';
  await until(inside, 5_000, 'somebody inside');

  await sweep();
  expect((await asleep).code).toBe(137);
  expect(leftovers(prefix)).toEqual([]);
  expect(existsSync(state)).toBe(false);
  expect(netnsOf(hosts.prefix).length).toBe(3);
  expect(await one.engine.mustDocker('ps', '--quiet')).not.toBe('');
});

test('nothing is left when they are down', async () => {
  const processes = hosts.all.flatMap((host) => host.processes());
  expect(leftovers(hosts.prefix)).not.toEqual([]);
  // a host that is off, one that is on with a part paused
  await one.powerOff();
  await two.pause('engine');
  await hosts.down();
  expect(leftovers(hosts.prefix)).toEqual([]);
  expect(processes.filter((pid) => !hasEnded(pid))).toEqual([]);
});
