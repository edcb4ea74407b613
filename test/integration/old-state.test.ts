// What earlier versions left on a disk (test/fixtures/state) opens: a manager's state directory, and a backup of its swarm.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { newestLevel } from '../../domain/format/levels.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type Engine, loadImages, run, SLEEP, startEngine, until } from '../support/engine.ts';
import { freePort } from '../support/free-port.ts';
import { stateShown } from '../support/state-shown.ts';
import { logOf } from '../support/swarm-hosts.ts';

const fixtures = resolve(import.meta.dirname, '../fixtures/state');
const versions = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const cli = resolve(import.meta.dirname, '../../dist/cmd/cli.js');
const mustRun = async (...argv: string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(argv, { timeoutMs: 60_000 });
  if (code !== 0) throw new Error(stderr);
  return stdout;
};

interface Shown {
  readonly nodes: readonly {
    readonly ID: string;
    readonly Spec: object;
    readonly hostname?: string;
  }[];
}
let engine: Engine;
let dir = '';
let manager: Daemon | undefined;

beforeAll(async () => {
  dir = mkdtempSync('/dev/shm/natswarm-old-');
  engine = await startEngine({ name: 'old', hostname: 'fixture' });
  await loadImages(engine);
});
afterAll(async () => {
  await manager?.stop();
  await engine?.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function withManager(
  stateDir: string,
  busPort: number,
  check: (manager: Daemon) => Promise<void>,
): Promise<void> {
  manager = await startDaemon(engine, { netns: '', busPort, stateDir, runDir: join(dir, 'run') });
  const isUp = async (): Promise<boolean> => (await manager?.docker('node', 'ls'))?.code === 0;
  await until(isUp, 30_000, 'the swarm');
  await check(manager);
  await manager.docker('swarm', 'leave', '--force');
  await manager.stop();
  manager = undefined;
}

/** Its tasks run, anew, it takes commands, and its cluster uses what this version can. */
async function works(daemon: Daemon): Promise<void> {
  const list = (): Promise<string> =>
    daemon.mustDocker('service', 'ls', '--format', '{{.Name}}={{.Replicas}}');
  const runs = async (): Promise<boolean> => {
    const shown = await list();
    return ['web=2/2', 'everywhere=1/1', 'nowhere=0/1', 'off=0/0'].every((s) => shown.includes(s));
  };
  await until(runs, 60_000, 'the tasks');
  expect((await logOf(daemon)).FeatureLevel).toBe(newestLevel);
  await daemon.mustDocker('service', 'scale', '--detach', 'web=3');
  await until(async () => (await list()).includes('web=3/3'), 60_000, 'a third task');
  await daemon.mustDocker('service', 'create', '--quiet', '--detach', '--name', 'new', SLEEP);
  await until(async () => (await list()).includes('new=1/1'), 60_000, 'a new service');
}

describe.each(versions)('%s', (version) => {
  const file = (name: string): string => join(fixtures, version, name);
  const shown = JSON.parse(readFileSync(file('shown.json'), 'utf8')) as Shown;

  test('its state directory opens', async () => {
    const own = mkdtempSync(join(dir, 'state-'));
    await mustRun('tar', '-xzf', file('state.tar.gz'), '-C', own);
    const stateDir = join(own, 'state');
    // of its listener; others may have the port by now
    const identity = join(stateDir, 'node.json');
    const node = JSON.parse(readFileSync(identity, 'utf8')) as object;
    const listenAddr = `127.0.0.1:${await freePort()}`;
    writeFileSync(identity, JSON.stringify({ ...node, listenAddr }));
    await withManager(stateDir, await freePort(), async (daemon) => {
      expect(await stateShown(daemon)).toEqual(shown);
      expect(daemon.log()).not.toContain('"state_left_out"');
      await works(daemon);
    });
  });

  test('its backup is restored', async () => {
    const own = mkdtempSync(join(dir, 'backup-'));
    for (const name of ['backup', 'backup.key']) {
      copyFileSync(file(name), join(own, name));
      chmodSync(join(own, name), 0o600);
    }
    const [stateDir, port, busPort] = [join(own, 'state'), await freePort(), await freePort()];
    const flags = `--key-file ${join(own, 'backup.key')} --state-dir ${stateDir} --listen-addr 127.0.0.1:${port}`;
    const ports = `--advertise-addr 127.0.0.1 --bus-port ${busPort} --route-port ${busPort + 1}`;
    const words = `${cli} restore ${join(own, 'backup')} ${flags} ${ports}`.split(' ');
    const said = await mustRun(process.execPath, ...words);
    const [, restoredAs = ''] = /This host is node (\w+)/.exec(said) ?? [];
    await withManager(stateDir, busPort, async (daemon) => {
      // the manager of before is a worker; one that had only joined may still come
      const nodes = shown.nodes.map((node) =>
        node.hostname === 'fixture' ? { ...node, Spec: { ...node.Spec, Role: 'worker' } } : node,
      );
      expect(await stateShown(daemon, restoredAs)).toEqual({ ...shown, nodes });
      const lost = shown.nodes.find(({ hostname }) => hostname === 'fixture')?.ID ?? '';
      await daemon.mustDocker('node', 'rm', '--force', lost);
      await works(daemon);
    });
  });
});
