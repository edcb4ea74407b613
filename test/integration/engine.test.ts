import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import {
  type Engine,
  SLEEP,
  WEB_1,
  WEB_2,
  httpGet,
  loadImages,
  netnsExec,
  run,
  startEngine,
  until,
} from '../support/engine.ts';

const started: Engine[] = [];

async function engineWithImages(extraArgs: string[] = []): Promise<Engine> {
  const engine = await startEngine({ extraArgs });
  started.push(engine);
  await loadImages(engine);
  return engine;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((engine) => engine.stop()));
});

/** Everything that an engine could leave on the machine. */
async function leftovers(engine: Engine, netnsInode: string): Promise<string[]> {
  const inNamespace = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => readLinkOrEmpty(`/proc/${pid}/ns/net`) === netnsInode);
  const namespaces = (await run(['ip', 'netns', 'list'])).stdout.split('\n');
  const cgroups = ['', ...readdirSync('/sys/fs/cgroup')]
    .map((controller) => `/sys/fs/cgroup/${controller}/${engine.netns}`)
    .filter((path) => existsSync(path));
  return [
    ...inNamespace.map((pid) => `process ${pid}`),
    ...namespaces.filter((line) => line.startsWith(`${engine.netns} `) || line === engine.netns),
    ...readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(engine.dir) || line.includes(engine.netns)),
    ...(existsSync(engine.dir) ? [engine.dir] : []),
    ...cgroups,
  ];
}

function readLinkOrEmpty(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

test('runs a container, shows its page, and leaves nothing behind', async () => {
  const engine = await engineWithImages();
  const id = await engine.mustDocker('run', '--detach', '--publish', '8080:80', WEB_1);
  const address = await engine.mustDocker(
    'inspect',
    '--format={{.NetworkSettings.Networks.bridge.IPAddress}}',
    id,
  );
  await until(() => answers(engine, address, 80), 5_000, 'the page');
  const page = await httpGet(engine, address, 80);
  expect(page.status).toBe(200);
  expect(page.body).toContain(`natswarm-web version 1 on ${id.slice(0, 12)}`);
  expect((await httpGet(engine, '127.0.0.1', 8080)).body).toContain('version 1');

  await engine.mustDocker('stop', id);
  // ended by itself: docker, which waits for 10 s, did not have to kill it
  expect(await engine.mustDocker('inspect', '--format={{.State.ExitCode}}', id)).toBe('0');

  await engine.mustDocker('run', '--detach', SLEEP);
  const netns = (await netnsExec(engine, ['readlink', '/proc/self/ns/net'])).stdout.trim();
  expect(await leftovers(engine, netns)).not.toEqual([]);
  await engine.stop();
  expect(await leftovers(engine, netns)).toEqual([]);
});

test('engines side by side publish the same port', async () => {
  const engines = await Promise.all([engineWithImages(), engineWithImages()]);
  const [one, two] = engines;
  await one.mustDocker('run', '--detach', '--publish', '8080:80', WEB_1);
  await two.mustDocker('run', '--detach', '--publish', '8080:80', WEB_2);
  for (const engine of engines) {
    await until(() => answers(engine, '127.0.0.1', 8080), 5_000, 'the page');
  }
  expect((await httpGet(one, '127.0.0.1', 8080)).body).toContain('version 1');
  expect((await httpGet(two, '127.0.0.1', 8080)).body).toContain('version 2');
});

test('a killed dockerd leaves its containers, a reboot ends them', async () => {
  const engine = await engineWithImages(['--live-restore']);
  const id = await engine.mustDocker('run', '--detach', SLEEP);
  const state = (format: string) => engine.mustDocker('inspect', `--format=${format}`, id);
  const before = await state('{{.State.StartedAt}}');
  const pid = engine.pid;
  await engine.kill();
  expect(engine.pid).toBe(0);
  expect((await engine.docker('version')).code).not.toBe(0);
  await engine.start();
  expect(engine.pid).not.toBe(pid);
  expect(await state('{{.State.Status}} {{.State.StartedAt}}')).toBe(`running ${before}`);
  await engine.reboot();
  expect(await state('{{.State.Status}}')).toBe('exited');
  expect(await engine.mustDocker('start', id)).toBe(id);
});

async function answers(engine: Engine, host: string, port: number): Promise<boolean> {
  return httpGet(engine, host, port, '/', 2_000).then(
    (answer) => answer.status === 200,
    () => false,
  );
}
