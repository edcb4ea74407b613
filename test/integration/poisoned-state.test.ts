// The state of a manager that one hello had ended for good (test/fixtures/README.md): it opens, serves and heals.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type Engine, loadImages, run, startEngine, until } from '../support/engine.ts';
import { freePort } from '../support/free-port.ts';
import { connectRaw, type Stolen } from '../support/intruder.ts';

const fixture = resolve(import.meta.dirname, '../fixtures/poisoned-8ddd89b.tar.gz');
let engine: Engine;
let manager: Daemon;
let dir: string;
let mallory: Stolen;

beforeAll(async () => {
  dir = mkdtempSync('/dev/shm/natswarm-poisoned-');
  const { code, stderr } = await run(['tar', '-xzf', fixture, '-C', dir]);
  if (code !== 0) throw new Error(stderr);
  mallory = JSON.parse(readFileSync(join(dir, 'mallory.json'), 'utf8')) as Stolen;
  // of its listener; others may have the port by now
  const file = join(dir, 'state/node.json');
  const node = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...node, listenAddr: `127.0.0.1:${await freePort()}` }));
  engine = await startEngine({ name: 'poisoned' });
  await loadImages(engine);
  manager = await startDaemon(engine, {
    netns: '',
    busPort: await freePort(),
    stateDir: join(dir, 'state'),
    runDir: join(dir, 'run'),
  });
});
afterAll(async () => {
  await manager?.stop();
  await engine?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const told = (): readonly unknown[] =>
  manager
    .log()
    .split('\n')
    .filter((line) => line.includes('"state_left_out"'))
    .map((line) => (JSON.parse(line) as { readonly what: unknown }).what);

test('it opens, serves, and says what it left out', async () => {
  const isUp = async (): Promise<boolean> => (await manager.docker('node', 'ls')).code === 0;
  await until(isUp, 30_000, 'the swarm');
  expect(await manager.mustDocker('node', 'ls', '-q')).toContain(mallory.nodeId);
  expect(await manager.mustDocker('service', 'ls', '--format', '{{.Name}}')).toBe('web');
  const description = ['--format', '{{json .Description.Resources}}', mallory.nodeId];
  expect(await manager.mustDocker('node', 'inspect', ...description)).toBe('{}');
  expect(new Set(told())).toEqual(new Set([`description of node ${mallory.nodeId}`]));
  const runs = async (): Promise<boolean> =>
    (await manager.mustDocker('service', 'ls', '--format', '{{.Replicas}}')) === '1/1';
  await until(runs, 30_000, 'the task of before, anew');
});

test('the next hello heals it, for good', async () => {
  const raw = await connectRaw(manager.busPort, mallory);
  const body = {
    session: 's',
    description: {
      hostname: 'mallory',
      platform: { architecture: 'x86_64', os: 'linux' },
      resources: { nanoCpus: 1e9, memoryBytes: 1e9 },
      engine: { version: '28.0.0', labels: {}, plugins: [] },
    },
  };
  const subject = `natswarm.v1.agent.${mallory.nodeId}.hello`;
  const answer = await raw.request(subject, JSON.stringify(body), { timeout: 20_000 });
  expect(answer.json()).toMatchObject({ ok: true });
  await raw.close();
  const hostname = ['--format', '{{.Description.Hostname}}', mallory.nodeId];
  expect(await manager.mustDocker('node', 'inspect', ...hostname)).toBe('mallory');
  await manager.kill();
  await manager.start();
  const isUp = async (): Promise<boolean> => (await manager.docker('node', 'ls')).code === 0;
  await until(isUp, 30_000, 'the swarm');
  expect(await manager.mustDocker('node', 'inspect', ...hostname)).toBe('mallory');
  const create = 'service create --quiet --detach --no-resolve-image --name more natswarm-sleep:1';
  await manager.mustDocker(...create.split(' '), 'sleep', '1000');
  expect(await manager.mustDocker('service', 'ls', '--format', '{{.Name}}')).toBe('more\nweb');
});
