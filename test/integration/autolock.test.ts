// Managers that lock themselves: what is on their disk, what it takes to start them, and what runs on meanwhile.

import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createPrivateKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Daemon } from '../support/daemon.ts';
import { startDaemon } from '../support/daemon.ts';
import { SLEEP, until } from '../support/engine.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { logOf, nodeIdOf } from '../support/swarm-hosts.ts';

const locked =
  'Error response from daemon: Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.';

let pair: Pair;
beforeAll(async () => {
  pair = await startPair('lock');
});
afterAll(() => pair.stop());
beforeEach(async () => {
  for (const daemon of [pair.worker, pair.manager]) {
    if (daemon.pid === 0) await daemon.start();
    await daemon.docker('swarm', 'leave', '--force');
  }
});

const stateOf = (daemon: Daemon): Promise<string> =>
  daemon.mustDocker('info', '--format', '{{.Swarm.LocalNodeState}}');
const unlock = (daemon: Daemon, key: string) =>
  daemon.dockerWith({ input: `${key}\n` }, 'swarm', 'unlock');
const unlockKey = (): Promise<string> => pair.manager.mustDocker('swarm', 'unlock-key', '-q');
async function restart(daemon: Daemon): Promise<void> {
  await daemon.kill();
  await daemon.start();
}
const init = (...flags: string[]): Promise<string> =>
  pair.manager.mustDocker('swarm', 'init', '--advertise-addr', '127.0.0.1', ...flags);

/** The secrets of a manager that runs, each in every form in which they could lie about. */
async function secretsOf(daemon: Daemon): Promise<readonly (readonly [string, Buffer])[]> {
  const environment = readFileSync(`/proc/${daemon.serverPid()}/environ`, 'utf8').split('\0');
  const storeKey = /^NATSWARM_STORE_KEY=(.+)$/.exec(
    environment.find((line) => line.startsWith('NATSWARM_STORE_KEY=')) ?? '',
  )?.[1];
  if (storeKey === undefined) throw new Error('the server has no key');
  const pem = readFileSync(join(daemon.runDir, 'nats', 'key.pem'), 'utf8');
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  const scalar = createPrivateKey(pem).export({ format: 'jwk' }).d ?? '';
  const token = await daemon.mustDocker('swarm', 'join-token', '-q', 'manager');
  const key = await unlockKey();
  const texts = {
    'data key': storeKey,
    'private key': pem.split('\n')[1] ?? '',
    'manager token': token.split('-').at(-1) ?? '',
    'unlock key': key.replace('SWMKEY-1-', ''),
    label: 'a-known-secret',
  };
  return [
    ...Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)] as const),
    ['data key, bytes', Buffer.from(storeKey, 'hex')],
    ['data key, base64', Buffer.from(Buffer.from(storeKey, 'hex').toString('base64').slice(0, 42))],
    ['private key, bytes', der.subarray(-32)],
    ['private key, scalar', Buffer.from(scalar, 'base64url')],
    ['unlock key, bytes', Buffer.from(key.replace('SWMKEY-1-', ''), 'base64')],
  ];
}
function found(dir: string, secrets: readonly (readonly [string, Buffer])[]): readonly string[] {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((f) =>
    f.isFile(),
  );
  expect(files.length).toBeGreaterThan(8);
  return files.flatMap((file) => {
    const bytes = readFileSync(join(file.parentPath, file.name));
    return secrets.flatMap(([name, secret]) =>
      secret.length > 0 && bytes.includes(secret) ? [`${name} in ${file.name}`] : [],
    );
  });
}

test('init --autolock: nothing on the disk can be read without the key, which unlocks it after a restart', async () => {
  const output = await init('--autolock');
  const key = /SWMKEY-1-\S+/.exec(output)?.[0] ?? '';
  expect(output).toContain('docker swarm unlock');
  expect(await unlockKey()).toBe(key);
  await pair.manager.mustDocker(
    ...'service create -d --name web --label x=a-known-secret'.split(' '),
    SLEEP,
  );
  const container = await running();
  const secrets = await secretsOf(pair.manager);
  expect(found(pair.manager.stateDir, secrets)).toEqual([]);

  await restart(pair.manager);
  expect(await stateOf(pair.manager)).toBe('locked');
  expect((await pair.manager.api('GET', '/_ping')).headers['swarm']).toBe('locked');
  for (const command of [
    ['node', 'ls'],
    ['service', 'ls'],
    ['swarm', 'unlock-key'],
    ['swarm', 'join-token', 'worker'],
  ]) {
    const { code, stderr } = await pair.manager.docker(...command);
    expect([code, stderr.includes(locked)]).toEqual([1, true]);
  }
  expect((await pair.manager.docker('swarm', 'leave')).stderr.trim()).toBe(
    'Error response from daemon: Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.',
  );
  expect((await unlock(pair.manager, 'nonsense')).stderr).toContain('invalid key string');
  const wrong = await unlock(
    pair.manager,
    `SWMKEY-1-${Buffer.alloc(32).toString('base64').slice(0, 43)}`,
  );
  expect(wrong.stderr).toContain('swarm could not be unlocked: invalid key provided');
  expect(await running()).toBe(container);

  expect(await unlock(pair.manager, key)).toMatchObject({ code: 0, stderr: '' });
  expect(await pair.manager.mustDocker('service', 'ls', '--format', '{{.Name}}')).toBe('web');
  expect((await unlock(pair.manager, key)).stderr).toContain('Error: swarm is not locked');
  expect(await running()).toBe(container);
  expect(found(pair.manager.stateDir, secrets)).toEqual([]);
});

/** The one container that runs. */
async function running(): Promise<string> {
  let ids: readonly string[] = [];
  await until(
    async () => {
      ids = (await pair.manager.mustDocker('ps', '-q', '--no-trunc')).split('\n').filter(Boolean);
      return ids.length === 1;
    },
    20_000,
    'one container',
  );
  return ids[0] as string;
}

test('a locked node can leave by force; its containers go', async () => {
  await init('--autolock');
  await pair.manager.mustDocker('service', 'create', '-d', SLEEP);
  await running();
  await restart(pair.manager);
  await pair.manager.mustDocker('swarm', 'leave', '--force');
  expect(await stateOf(pair.manager)).toBe('inactive');
  expect(await pair.manager.mustDocker('ps', '-aq')).toBe('');
  await init();
  await restart(pair.manager);
  expect(await stateOf(pair.manager)).toBe('active');
});

test('locking, another key, and no lock any more: each holds from the next restart on', async () => {
  await init();
  expect((await pair.manager.docker('swarm', 'unlock-key')).stderr).toContain(
    'no unlock key is set',
  );
  expect((await pair.manager.docker('swarm', 'unlock-key', '--rotate')).stderr).toContain(
    'cannot rotate because autolock is not turned on',
  );
  const inTheClear = certificateOf(pair.manager);
  const output = await pair.manager.mustDocker('swarm', 'update', '--autolock=true');
  const first = /SWMKEY-1-\S+/.exec(output)?.[0] ?? '';
  await until(() => isLocked(pair.manager), 5_000, 'the manager to lock its keys');
  // its key lay on the disk
  await until(() => certificateOf(pair.manager) !== inTheClear, 20_000, 'another certificate');
  const renewed = certificateOf(pair.manager);
  await restart(pair.manager);
  expect(await unlock(pair.manager, first)).toMatchObject({ code: 0 });
  await pair.manager.mustDocker('swarm', 'unlock-key', '--rotate');
  const second = await unlockKey();
  expect(second).not.toBe(first);
  await restart(pair.manager);
  expect((await unlock(pair.manager, first)).stderr).toContain('invalid key provided');
  expect(await unlock(pair.manager, second)).toMatchObject({ code: 0 });
  expect(found(pair.manager.stateDir, await secretsOf(pair.manager))).toEqual([]);
  await pair.manager.mustDocker('swarm', 'update', '--autolock=false');
  await restart(pair.manager);
  expect(await stateOf(pair.manager)).toBe('active');
  const leads = async (): Promise<boolean> => (await pair.manager.docker('node', 'ls')).code === 0;
  await until(leads, 5_000, 'the manager to lead');
  // neither another key nor the end of locking makes the one of the certificate worth less
  expect(certificateOf(pair.manager)).toBe(renewed);
});
const certificateOf = (daemon: Daemon): string =>
  readFileSync(join(daemon.stateDir, 'certificates', 'swarm-node.crt'), 'utf8');

const isLocked = (daemon: Daemon): boolean =>
  readFileSync(join(daemon.stateDir, 'keys.json'), 'utf8').includes('locked') &&
  readFileSync(join(daemon.stateDir, 'certificates', 'swarm-node.key'), 'utf8').includes(
    'ENCRYPTED',
  );

/** Which unlock key of the cluster the keys on the disk are under. */
const lockVersionOf = (daemon: Daemon): unknown =>
  (JSON.parse(readFileSync(join(daemon.stateDir, 'keys.json'), 'utf8')) as { version?: number })
    .version;

test('every manager locks; one that was off has the key of before; a worker never locks', async () => {
  await init('--autolock');
  await pair.join(pair.worker, 'manager');
  await pair.withThird(async (third) => {
    await pair.join(third, 'manager');
    await until(() => [pair.worker, third].every(isLocked), 10_000, 'the others to be locked');
    await copies(3);
    const before = await unlockKey();
    await pair.worker.kill();
    await pair.manager.mustDocker('swarm', 'unlock-key', '--rotate');
    const after = await unlockKey();
    await pair.worker.start();
    expect(await stateOf(pair.worker)).toBe('locked');
    expect((await unlock(pair.worker, after)).stderr).toContain('invalid key provided');
    expect(await unlock(pair.worker, before)).toMatchObject({ code: 0, stderr: '' });
    await copies(3);
    const hasNewKey = () => lockVersionOf(pair.worker) === lockVersionOf(pair.manager);
    await until(hasNewKey, 20_000, 'the keys to be under the new unlock key');
    await restart(pair.worker);
    expect(await unlock(pair.worker, after)).toMatchObject({ code: 0, stderr: '' });
    await pair.allReady(3);
    await pair.manager.mustDocker('node', 'demote', await nodeIdOf(pair.worker));
    await until(
      async () => (await manages(pair.worker)) === 'false',
      30_000,
      'the manager to become a worker',
    );
    await restart(pair.worker);
    expect(await stateOf(pair.worker)).toBe('active');
    await pair.allReady(3);
  });
});
const copies = (count: number): Promise<void> =>
  until(
    async () => {
      const { Copies, Unsettled } = await logOf(pair.manager);
      return Copies === count && Unsettled === undefined;
    },
    20_000,
    `${count} copies of the log`,
  );
const manages = (daemon: Daemon): Promise<string> =>
  daemon.mustDocker('info', '--format', '{{.Swarm.ControlAvailable}}');

test('a run directory that is on a disk is refused', async () => {
  const daemon = await startDaemon(pair.engines[1] as never, { netns: '' });
  try {
    const { stderr } = await daemon.docker('swarm', 'init', '--autolock');
    expect(stderr).toMatch(/autolock keeps keys off the disk, but the run directory \S+ is on one/);
    expect(await stateOf(daemon)).toBe('inactive');
  } finally {
    await daemon.stop();
  }
});
