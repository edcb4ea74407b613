import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CommandResult,
  dockerCli,
  type Engine,
  loadImages,
  SLEEP,
  startEngine,
} from '../support/engine.ts';
import {
  aService,
  ask,
  FakeSwarm,
  type Front,
  nodeId,
  serviceId,
  startFront,
} from '../support/api.ts';

// The real docker CLI, through the front and straight to the same engine.
let engine: Engine;
let front: Front;
let dir: string;
const swarm = new FakeSwarm();

beforeAll(async () => {
  engine = await startEngine({ name: 'api' });
  await loadImages(engine);
  front = await startFront(swarm, engine.socket, Date.now);
  dir = await mkdtemp(join(tmpdir(), 'natswarm-api-cli-'));
});
afterAll(async () => {
  await front?.stop();
  await engine?.stop();
  if (dir !== undefined) await rm(dir, { recursive: true, force: true });
});

const through = (args: readonly string[], input?: string): Promise<CommandResult> =>
  dockerCli(front.socket, join(dir, 'cli'), args, input === undefined ? {} : { input });
const straight = (args: readonly string[], input?: string): Promise<CommandResult> =>
  dockerCli(engine.socket, join(dir, 'cli'), args, input === undefined ? {} : { input });
const must = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await through(args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
};
const sh = (script: string): string[] => ['run', '--rm', '-i', SLEEP, 'sh', '-c', script];

/** Without what differs from one call to the next: the port that a look-up came from. */
const plain = (result: CommandResult): CommandResult => ({
  ...result,
  stderr: result.stderr.replace(/:\d+->/, ':PORT->'),
});

const rows: readonly (readonly [readonly string[], string])[] = [
  [sh('cat'), 'hi\n'],
  [sh('cat; exit 7'), 'x'.repeat(3_000_000)],
  [sh('echo out; echo err >&2; exit 3'), ''],
  [sh('while read l; do echo "got $l"; done'), 'a\nb\n'],
  [['run', '--rm', SLEEP, 'nosuchcommand'], ''],
  [['run', '--rm', 'nosuchimage:1'], ''],
  [['create', '--name', 'bad name', SLEEP], ''],
  [['image', 'inspect', SLEEP], ''],
  [['network', 'ls', '--format', '{{.Name}} {{.Driver}}'], ''],
  [['volume', 'ls', '--format', '{{.Name}}'], ''],
  [['images', '--format', '{{.Repository}}:{{.Tag}}', SLEEP], ''],
  [['ps', '-a', '--format', '{{.Names}}'], ''],
  [['inspect', 'nosuch', '--type', 'container'], ''],
  [['logs', 'nosuch'], ''],
  [['exec', 'nosuch', 'true'], ''],
  [['attach', 'nosuch'], ''],
  [['history', SLEEP, '--format', '{{.CreatedBy}}'], ''],
];

test.each(rows)('docker %j is the same through the front', async (args, input) => {
  const [theirs, ours] = [await straight(args, input), await through(args, input)];
  expect(plain(ours)).toEqual(plain(theirs));
});

/** An archive without the second of its making, and without the checksums of the headers that hold it. */
const timeless = (archive: string): string =>
  // the size, the time and the checksum of a ustar header, in octal digits
  archive.replaceAll(/([0-7]{11}\0)[0-7]{11}\0[0-7]{6}\0 /g, '$1');

test('docker save is the same through the front', async () => {
  const save = ['save', SLEEP];
  const [theirs, ours] = [await straight(save), await through(save)];
  expect(theirs.code).toBe(0);
  expect(theirs.stdout.length).toBeGreaterThan(512);
  expect({ ...ours, stdout: timeless(ours.stdout) }).toEqual({
    ...theirs,
    stdout: timeless(theirs.stdout),
  });
});

test('exec: streams, standard input and exit codes', async () => {
  await must('run', '-d', '--name', 'box', SLEEP);
  expect(await through(['exec', 'box', 'sh', '-c', 'echo o; echo e >&2; exit 7'])).toEqual({
    code: 7,
    stdout: 'o\n',
    stderr: 'e\n',
  });
  for (let i = 0; i < 10; i++)
    expect(await through(['exec', '-i', 'box', 'cat'], `in ${i}`)).toEqual({
      code: 0,
      stdout: `in ${i}`,
      stderr: '',
    });
  expect(await through(['exec', '-d', 'box', 'touch', '/tmp/made'])).toMatchObject({ code: 0 });
  expect(await must('exec', 'box', 'ls', '/tmp/made')).toBe('/tmp/made');
  await must('rm', '-f', 'box');
});

test('attach: output while it runs, exit code at the end', async () => {
  await must('run', '-d', '--name', 'att', SLEEP, 'sh', '-c', 'sleep 1; echo out; sleep 1; exit 4');
  expect(await through(['attach', '--no-stdin', 'att'])).toEqual({
    code: 4,
    stdout: 'out\n',
    stderr: '',
  });
  await must('rm', 'att');
});

test('a client of old hijacks without asking for an upgrade', async () => {
  await must('run', '-di', '--name', 'old', SLEEP, 'sh', '-c', 'read l; echo "got $l"');
  const socket = connect({ path: front.socket, allowHalfOpen: true });
  socket.write(
    'POST /v1.51/containers/old/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
  );
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  await once(socket, 'data');
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\nContent-Type: application\/vnd\.docker\./);
  socket.write('GET / HTTP/1.1\n');
  await once(socket, 'end');
  expect(text).toMatch(/got GET \/ HTTP\/1\.1\n$/);
  socket.destroy();
  await must('rm', 'old');
});

test('cp in and out', async () => {
  await must('create', '--name', 'cp', SLEEP);
  const big = Buffer.alloc(5_000_000, 'abc');
  await writeFile(join(dir, 'in'), big);
  await must('cp', join(dir, 'in'), 'cp:/tmp/f');
  await must('cp', 'cp:/tmp/f', join(dir, 'out'));
  expect((await readFile(join(dir, 'out'))).equals(big)).toBe(true);
  await must('rm', 'cp');
});

test('build streams its context and its output', async () => {
  const context = join(dir, 'context');
  await mkdir(context);
  await writeFile(join(context, 'Dockerfile'), `FROM ${SLEEP}\nCOPY x /x\nRUN cat /x\n`);
  await writeFile(join(context, 'x'), 'hello from the build\n');
  await writeFile(join(context, 'pad'), Buffer.alloc(20_000_000));
  const result = await dockerCli(
    front.socket,
    join(dir, 'cli'),
    ['build', '-t', 'built:1', context],
    {
      env: { DOCKER_BUILDKIT: '0' },
    },
  );
  expect(result).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('hello from the build'),
  });
  expect(await must('run', '--rm', 'built:1', 'cat', '/x')).toBe('hello from the build');
});

test('logs are followed', async () => {
  await must(
    'run',
    '-d',
    '--name',
    'log',
    SLEEP,
    'sh',
    '-c',
    'for i in 1 2 3; do echo $i; sleep 0.1; done',
  );
  expect(await through(['logs', '-f', 'log'])).toMatchObject({ code: 0, stdout: '1\n2\n3\n' });
  await must('rm', 'log');
});

/** A running CLI whose output is looked at while it runs. */
function running(...args: string[]): {
  child: ChildProcess;
  until: (text: string) => Promise<void>;
} {
  const child = spawn('docker', args, {
    env: { ...process.env, DOCKER_HOST: `unix://${front.socket}`, DOCKER_CONFIG: join(dir, 'cli') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let seen = '';
  let wake = (): void => undefined;
  child.stdout?.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
    wake();
  });
  const until = async (text: string): Promise<void> => {
    while (!seen.includes(text)) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { child, until };
}

test('events of engine and swarm in one stream', async () => {
  const since = (Date.now() / 1000).toFixed(3);
  const { child, until } = running(
    'events',
    '--format',
    '{{.Scope}} {{.Type}} {{.Action}} {{.Actor.Attributes.name}}',
    '--since',
    since,
  );
  await must('create', '--name', 'ev', SLEEP);
  await until('local container create ev');
  swarm.apply({ op: 'put', kind: 'service', object: aService({ specVersion: 3 }) });
  await until('swarm service update web');
  await must('rm', 'ev');
  await until('local container destroy ev');
  child.kill();
  await once(child, 'close');
  expect(
    await must(
      'events',
      '--since',
      '1',
      '--until',
      '0s',
      '--filter',
      'scope=swarm',
      '--format',
      '{{.Type}}',
    ),
  ).toBe('service');
});

test('the swarm part of the CLI', async () => {
  expect(
    await must(
      'info',
      '--format',
      '{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}} {{.Swarm.Managers}} {{.ServerVersion}}',
    ),
  ).toBe(
    `active ${nodeId} 1 ${await engine.mustDocker('version', '--format', '{{.Server.Version}}')}`,
  );
  expect(
    await must('service', 'ls', '--format', '{{.Name}} {{.Mode}} {{.Replicas}} {{.Image}}'),
  ).toBe('web replicated 1/1 natswarm-web:1');
  expect(
    await must('service', 'ps', 'web', '--format', '{{.Name}} {{.Node}} {{.DesiredState}}'),
  ).toBe('web.1 host1 Running');
  expect(await must('service', 'inspect', 'web', '--format', '{{.ID}} {{.Spec.Labels.team}}')).toBe(
    `${serviceId} red`,
  );
  expect(await must('service', 'inspect', '--pretty', 'web')).toMatch(/Update order: +stop-first/);
  expect(
    await must(
      'node',
      'ls',
      '--format',
      '{{.Self}} {{.Hostname}} {{.Status}} {{.ManagerStatus}} {{.TLSStatus}}',
    ),
  ).toBe('true host1 Ready Leader Ready');
  expect(
    await must('node', 'inspect', 'self', '--format', '{{.Description.Engine.EngineVersion}}'),
  ).toBe('28.5.2');
  expect(await must('inspect', 'web', '--format', '{{.Spec.Name}}')).toBe('web');
  expect(await must('secret', 'ls', '-q')).toBe('');
  expect(await must('swarm', 'join-token', '-q', 'worker')).toBe('W');
  expect(await through(['service', 'inspect', 'nope'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no such service: nope'),
  });
  expect(await through(['network', 'create', '-d', 'overlay', 'x'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('not supported by this version of natswarm yet'),
  });
});

test('service logs with names and details', async () => {
  swarm.logs = async function* (_task, { details }) {
    yield { stream: 'stdout', data: Buffer.from(`${details ? ' ' : ''}hello\n`) };
  };
  expect(await must('service', 'logs', 'web')).toMatch(/^web\.1\.task1\w*@host1 +\| hello$/);
  expect(await must('service', 'logs', '--raw', 'web')).toBe('hello');
  swarm.logs = async function* () {
    yield* [];
    throw new Error('the driver cannot read');
  };
  expect(await through(['service', 'logs', 'web'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('incomplete log stream'),
  });
});

test('containers of tasks are told from others by their label', async () => {
  const make = (name: string, ...flags: string[]) =>
    must('create', '--name', name, ...flags, SLEEP);
  const names = ['task-1', 'plain-1', 'task-2', 'plain-2'];
  for (const name of names)
    await make(name, ...(name.startsWith('task') ? ['--label', 'com.docker.swarm.task='] : []));
  const list = async (isTask: string, ...flags: string[]): Promise<string[]> => {
    const filter = ['--filter', `is-task=${isTask}`, '--filter', 'status=created'];
    const text = await must('ps', '--all', ...filter, ...flags, '--format', '{{.Names}}');
    return text.split('\n');
  };
  expect(await list('true')).toEqual(['task-2', 'task-1']);
  expect(await list('false')).toEqual(['plain-2', 'plain-1']);
  expect(await list('1', '--last', '1')).toEqual(['task-2']);
  expect(await list('0', '--filter', 'name=1')).toEqual(['plain-1']);
  for (const wrong of ['maybe', '']) {
    const args = ['ps', '--filter', `is-task=${wrong}`];
    expect(await through(args)).toEqual(await straight(args));
  }
  await must('rm', ...names);
});

test('the engine goes and comes back', async () => {
  await engine.kill();
  const away = await through(['ps']);
  expect(away).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Cannot connect to the Docker Engine at unix://'),
  });
  expect(await must('service', 'ls', '-q')).toBe(serviceId.slice(0, 12));
  expect((await ask(front.socket, 'GET', '/info')).status).toBe(200);
  await engine.start();
  expect(await through(['ps'])).toMatchObject({ code: 0 });
});
