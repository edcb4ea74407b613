// A disk that fills: a real daemon whose state is on a small file system of its own. Needs root.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type Engine, loadImages, run, startEngine, until } from '../support/engine.ts';

const MiB = 1024 * 1024;
const sizeMiB = 256;
const stateDir = mkdtempSync(join(tmpdir(), 'natswarm-small-'));
const fill = join(stateDir, 'fill');
let engine: Engine;
let daemon: Daemon;

async function must(...argv: string[]): Promise<void> {
  const { code, stderr } = await run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
}

beforeAll(async () => {
  await must('mount', '-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=700`, 'natswarm-test', stateDir);
  engine = await startEngine({ name: 'disk-room' });
  await loadImages(engine);
  daemon = await startDaemon(engine, { stateDir });
  await daemon.mustDocker('swarm', 'init');
});
afterAll(async () => {
  try {
    if (daemon?.pid > 0) await daemon.docker('swarm', 'leave', '--force');
    await daemon?.stop();
    await engine?.stop();
  } finally {
    await must('umount', stateDir);
    rmdirSync(stateDir);
  }
});

/** As much is free as this part of the file system. */
async function leave(part: number, room: string): Promise<void> {
  const noted = daemon.log().length;
  rmSync(fill, { force: true });
  const { bavail, bsize } = statfsSync(stateDir);
  const bytes = bavail * bsize - part * sizeMiB * MiB;
  if (bytes > 0) writeFileSync(fill, Buffer.alloc(bytes));
  const line = (): boolean =>
    daemon
      .log()
      .slice(noted)
      .split('\n')
      .some((text) => text.includes('"disk_room"') && text.includes(`"room":"${room}"`));
  await until(line, 15_000, `the daemon to say ${room}`);
}

const create = (name: string) =>
  daemon.docker(
    ...'service create --quiet --detach --no-resolve-image --name'.split(' '),
    name,
    ...'natswarm-sleep:1 sleep 1000'.split(' '),
  );
const states = (name: string): Promise<string> =>
  daemon.mustDocker('service', 'ps', '--format', '{{.CurrentState}}', name);

test('node reports wait first, then commands are refused and say what to do, and all goes on with more room', async () => {
  await leave(0.08, 'low');
  expect((await create('waits')).code).toBe(0);
  await until(() => daemon.log().includes('"status_refused"'), 15_000, 'a report to wait');
  expect(await states('waits')).toMatch(/^Assigned/);

  await leave(0.03, 'none');
  const refused = await create('refused');
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('almost full');
  expect(refused.stderr).toContain('free some space');
  expect(await daemon.mustDocker('service', 'ls', '--format', '{{.Name}}')).toBe('waits');
  await daemon.mustDocker('service', 'rm', 'waits');

  await leave(1, 'enough');
  expect((await create('runs')).code).toBe(0);
  const isRunning = async (): Promise<boolean> => (await states('runs')).startsWith('Running');
  await until(isRunning, 30_000, 'it to run');
  await daemon.mustDocker('service', 'rm', 'runs');
});
