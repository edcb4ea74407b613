// `natswarm backup` while commands run, and `natswarm restore` on a host that knows nothing.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Daemon } from '../support/daemon.ts';
import { run, SLEEP, until } from '../support/engine.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { nodeIdOf } from '../support/swarm-hosts.ts';

const cli = resolve(import.meta.dirname, '../../dist/cmd/cli.js');
let pair: Pair;
let dir = '';
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'natswarm-backup-'));
  pair = await startPair('backup');
});
afterAll(async () => {
  await pair.stop();
  rmSync(dir, { recursive: true, force: true });
});

const natswarm = (args: readonly string[], input = '') =>
  run([process.execPath, cli, ...args], { input, timeoutMs: 300_000 });
const backup = (file: string, ...flags: string[]) =>
  natswarm(['backup', join(dir, file), '--host', `unix://${pair.manager.socket}`, ...flags]);
const names = (daemon: Daemon): Promise<string> =>
  daemon.mustDocker('service', 'ls', '--format', '{{.Name}} {{.Replicas}}');

test('outside a swarm there is nothing to back up; a daemon that is not there is named', async () => {
  const { code, stderr } = await backup('none');
  expect([code, stderr.trim()]).toEqual([
    1,
    'natswarm: This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  ]);
  const nobody = await natswarm(['backup', join(dir, 'none'), '--host', 'unix:///nowhere.sock']);
  expect(nobody.stderr).toContain('cannot reach the daemon at /nowhere.sock');
});

test('a cluster whose managers are gone goes on from a backup, with its workers', async () => {
  const { manager, worker } = pair;
  await manager.mustDocker('swarm', 'init', '--advertise-addr', '127.0.0.1');
  const cluster = await manager.mustDocker('info', '--format', '{{.Swarm.Cluster.ID}}');
  await pair.join();
  const workerId = await nodeIdOf(worker);
  await manager.mustDocker('node', 'update', '--label-add', 'disk=ssd', workerId);
  await manager.mustDocker(
    ...'service create -d --name web --replicas 2 --constraint node.labels.disk==ssd'.split(' '),
    SLEEP,
  );
  await until(async () => (await names(manager)) === 'web 2/2', 20_000, 'two tasks');
  const containers = await worker.mustDocker('ps', '-q');
  const token = await pair.token('manager');

  const taken = await backup('state');
  expect(taken.stdout).toMatch(/2 nodes, 1 services, 2 tasks at index \d+/);
  const key = /SWMKEY-1-\S+/.exec(taken.stdout)?.[0] ?? '';
  const file = readFileSync(join(dir, 'state'));
  expect(statSync(join(dir, 'state')).mode & 0o777).toBe(0o600);
  for (const secret of ['web', 'PRIVATE KEY', token.split('-').at(-1) ?? ''])
    expect(file.includes(secret)).toBe(false);
  await manager.mustDocker('service', 'create', '-d', '--name', 'later', SLEEP);
  const version = Number(
    await manager.mustDocker('service', 'inspect', 'later', '--format', '{{.Version.Index}}'),
  );

  const restore = (input: string, from = 'state') =>
    natswarm(
      [
        ...`restore ${join(dir, from)} --state-dir ${manager.stateDir} --listen-addr ${pair.remote}`.split(
          ' ',
        ),
        ...`--advertise-addr 127.0.0.1 --bus-port ${manager.busPort}`.split(' '),
        ...`--route-port ${manager.busPort + 1}`.split(' '),
      ],
      input,
    );
  // what can be said without the key is said before it is asked for
  const inUse = `natswarm: --state-dir ${manager.stateDir} is in use by another natswarm daemon\n`;
  expect(await restore('')).toMatchObject({ code: 1, stderr: inUse });
  await manager.kill();
  expect((await restore('')).stderr).toMatch(/^natswarm: this host is part of a swarm/);
  rmSync(manager.stateDir, { recursive: true });
  expect(await restore('')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^Key of the backup: \n?natswarm: no key was given; .*--key-file/,
    ),
  });
  expect((await restore('nonsense\n')).stderr).toContain('it begins with SWMKEY-1-');
  const other = `SWMKEY-1-${Buffer.alloc(32).toString('base64').slice(0, 43)}`;
  expect((await restore(`${other}\n`)).stderr).toContain('this is not its key');
  writeFileSync(join(dir, 'cut'), file.subarray(0, 200));
  expect((await restore(`${key}\n`, 'cut')).stderr).toContain('it is damaged');

  const restored = await restore(`${key}\n`);
  expect([restored.code, restored.stderr]).toEqual([0, 'Key of the backup: ']);
  await manager.start();
  await until(async () => (await names(manager)) === 'web 2/2', 30_000, 'two tasks, as before');
  expect(await manager.mustDocker('info', '--format', '{{.Swarm.Cluster.ID}}')).toBe(cluster);
  expect(await pair.token('manager')).toBe(token);
  // the worker has found it, and nothing has been started anew
  expect(await worker.mustDocker('ps', '-q')).toBe(containers);
  const status = await manager.mustDocker(
    'node',
    'inspect',
    workerId,
    '--format',
    '{{.Status.State}}',
  );
  expect(status).toBe('ready');
  await manager.mustDocker('service', 'create', '-d', '--name', 'new', SLEEP);
  const next = await manager.mustDocker(
    'service',
    'inspect',
    'new',
    '--format',
    '{{.Version.Index}}',
  );
  expect(Number(next)).toBeGreaterThan(version);
});

test('the key can be in a file, which is made once', async () => {
  const keyFile = join(dir, 'key');
  const first = await backup('a', '--key-file', keyFile);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).not.toContain('SWMKEY');
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  const key = readFileSync(keyFile, 'utf8');
  expect(await backup('b', '--key-file', keyFile)).toMatchObject({ code: 0 });
  expect(readFileSync(keyFile, 'utf8')).toBe(key);
});

test('a log that is lost: the journal of its only manager is enough', async () => {
  const { manager } = pair;
  const before = await names(manager);
  await manager.kill();
  rmSync(join(manager.stateDir, 'store'), { recursive: true });
  await manager.start();
  expect((await manager.docker('service', 'ls')).code).toBe(1);
  await manager.mustDocker('swarm', 'init', '--force-new-cluster');
  expect(await names(manager)).toBe(before);
  await manager.mustDocker('service', 'rm', 'web');
});
