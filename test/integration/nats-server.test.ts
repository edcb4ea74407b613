import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { boundCommand } from '../../bus/nats/child.ts';
import { storeKeyVariable } from '../../bus/nats/config.ts';
import { ServerError } from '../../bus/nats/errors.ts';
import { startServer } from '../../bus/nats/server.ts';
import { until } from '../support/engine.ts';
import { TestBus, TestPki } from '../support/nats.ts';

/** A process that has ended may still wait for somebody to take note; it counts as gone. */
function isAlive(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text[text.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

/** Resolves when the process is gone. */
const gone = (pid: number, usualMs: number): Promise<void> =>
  until(() => !isAlive(pid), usualMs, `${pid} to end`);

async function filesBelow(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** A process as the record file names it. */
async function idOf(pid: number): Promise<{ pid: number; start: string }> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  return { pid, start: text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '' };
}

describe('one server', () => {
  let bus: TestBus;
  beforeEach(async () => {
    bus = await TestBus.start();
  });
  afterEach(() => bus.stop());

  test('keeps everything over stop and start, under its name', async () => {
    const log = await bus.log();
    await log.append(0, Buffer.from('one'));
    const { name, pid } = bus.server;
    await bus.server.stop();
    expect(isAlive(pid)).toBe(false);
    expect(await readdir(bus.options.runDir)).toEqual([]);
    await bus.server.stop();
    await bus.restart();
    expect(bus.server.name).toBe(name);
    expect(name).toMatch(/^manager1-[0-9a-f]{8}$/);
    expect(await log.append(1, Buffer.from('two'))).toEqual({ kind: 'committed', seq: 2 });
    expect((await log.read(1, 10)).map(({ data }) => Buffer.from(data).toString())).toEqual([
      'one',
      'two',
    ]);
  });

  test('nothing readable is on the disk, and the key is nowhere', async () => {
    const log = await bus.log();
    const secret = 'a-secret-that-nobody-may-find';
    for (let i = 0; i < 200; i++) await log.append(i, Buffer.from(`${secret} ${i}`.repeat(20)));
    await log.purge(100);
    const key = Buffer.from(bus.options.storeKey);
    const check = async (): Promise<number> => {
      const files = await filesBelow(bus.dir);
      for (const file of files) {
        const data = await readFile(file);
        const found = [secret, 'log.append', key, key.toString('hex')].filter((what) =>
          data.includes(what),
        );
        expect({ file, found }).toEqual({ file, found: [] });
      }
      return files.length;
    };
    expect(await check()).toBeGreaterThan(6);
    const commandLine = await readFile(`/proc/${bus.server.pid}/cmdline`, 'utf8');
    expect(commandLine).not.toContain(key.toString('hex'));
    await bus.kill();
    expect(await check()).toBeGreaterThan(6);
  });

  test('files with keys are for the owner only; the environment holds the store key and the path', async () => {
    const runFiles = await filesBelow(bus.options.runDir);
    expect(runFiles.map((file) => file.slice(bus.options.runDir.length + 1)).sort()).toEqual([
      'nats/ca.pem',
      'nats/cert.pem',
      'nats/key.pem',
      'nats/server.conf',
      'nats/server.json',
    ]);
    for (const file of runFiles) expect((await stat(file)).mode & 0o777).toBe(0o600);
    for (const dir of [join(bus.options.runDir, 'nats'), bus.options.storeDir])
      expect((await stat(dir)).mode & 0o777).toBe(0o700);
    const environment = await readFile(`/proc/${bus.server.pid}/environ`, 'utf8');
    const names = environment.split('\0').map((line) => line.split('=')[0] ?? '');
    expect(
      names.filter((name) => !['', 'PWD', 'OLDPWD', 'SHLVL', '_'].includes(name)).sort(),
    ).toEqual([storeKeyVariable, 'PATH']);
  });

  test('a server left behind by an earlier start is replaced', async () => {
    const log = await bus.log();
    await log.append(0, Buffer.from('one'));
    const left = bus.server;
    await bus.restart();
    expect((await left.exited).signal).toBe('SIGKILL');
    expect(bus.server.pid).not.toBe(left.pid);
    expect(await log.bounds()).toEqual({ first: 1, last: 1 });
  });

  test("another living daemon's server is left alone", async () => {
    const other = spawn('sleep', ['60']);
    try {
      const record = join(bus.options.runDir, 'nats', 'server.json');
      const server = await idOf(bus.server.pid);
      await writeFile(record, JSON.stringify({ server, daemon: await idOf(other.pid as number) }));
      await expect(startServer(bus.options)).rejects.toMatchObject({ code: 'in-use' });
      expect(isAlive(bus.server.pid)).toBe(true);
    } finally {
      other.kill();
    }
  });

  test('takes the new certificates on reload', async () => {
    const foreign = new TestPki();
    await bus.serveAuth();
    const stranger = { ...foreign.identity('worker1', 'worker'), ca: bus.pki.roots };
    await expect(bus.connectWith('worker1', stranger, 200)).rejects.toThrow();
    expect(bus.denials).toEqual([]);
    const { cert, key, ca } = bus.options.tls;
    await bus.server.reload({ cert, key, ca: ca + foreign.roots });
    await expect(bus.server.reload({ cert: 'none', key, ca })).rejects.toThrow('Failed to reload');
    // Past TLS now, and refused by the cluster's own check.
    expect(await bus.denied(stranger)).toMatchObject({ reason: 'certificate: unknown-issuer' });
  });

  test('a wrong store key is refused, and the store is not harmed', async () => {
    const log = await bus.log();
    await log.append(0, Buffer.from('one'));
    await bus.server.stop();
    await expect(
      startServer({ ...bus.options, storeKey: Buffer.alloc(32, 8) }).then((server) =>
        server.stop(),
      ),
    ).rejects.toBeInstanceOf(ServerError);
    await bus.restart();
    expect(await log.bounds()).toEqual({ first: 1, last: 1 });
  });
});

describe('starting', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'natswarm-start-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  test('says which address is taken, in the words of the listener', async () => {
    const holder = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    await expect(TestBus.start({ port })).rejects.toMatchObject({
      code: 'port-taken',
      message: `listen tcp 127.0.0.1:${port}: bind: address already in use`,
    });
    holder.close();
    await once(holder, 'close');
  });

  test('says that the program is missing', async () => {
    await expect(TestBus.start({ binary: '/nowhere/nats-server' })).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('/nowhere/nats-server'),
    });
  });

  test('ends with its signal, and leaves no process', async () => {
    const stop = new AbortController();
    const [program, runDir] = [join(dir, 'never-ready'), join(dir, 'run')];
    await writeFile(program, '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
    const starting = TestBus.start({ binary: program, runDir, signal: stop.signal });
    const record = join(runDir, 'nats', 'server.json');
    await until(() => existsSync(record), 5_000, 'the process');
    const { pid } = JSON.parse(readFileSync(record, 'utf8')).server;
    expect(isAlive(pid)).toBe(true);
    stop.abort(new Error('enough'));
    await expect(starting).rejects.toThrow('enough');
    expect(isAlive(pid)).toBe(false);
    expect(await readdir(runDir)).toEqual([]);
    await expect(TestBus.start({ signal: AbortSignal.abort() })).rejects.toThrow('abort');
  });

  test('takes no other process for its own', async () => {
    const bystander = spawn('sleep', ['60']);
    const bus = await TestBus.start();
    try {
      await bus.server.stop();
      const runDir = join(bus.options.runDir, 'nats');
      const record = join(runDir, 'server.json');
      const server = await idOf(bystander.pid as number);
      const daemon = { pid: 1, start: 'long ago' };
      for (const named of [server, { ...server, start: '1' }, { pid: 99_999_999, start: '1' }]) {
        await mkdir(runDir, { recursive: true });
        await writeFile(record, JSON.stringify({ server: named, daemon }));
        await bus.restart();
        await bus.server.stop();
        expect(isAlive(bystander.pid as number)).toBe(true);
      }
      await mkdir(runDir, { recursive: true });
      await writeFile(record, '{"server":{"pi');
      await bus.restart();
    } finally {
      bystander.kill();
      await bus.stop();
    }
  });
});

describe('bound to its parent', () => {
  /** A parent that starts the command it is given and prints the child's process ID. */
  const parentScript = `
    const [program, ...args] = JSON.parse(process.argv[1]).map((a) => a === 'PARENT' ? String(process.pid) : a);
    const child = require('node:child_process').spawn(program, args, { detached: true, stdio: 'ignore' });
    console.log(child.pid);
    setInterval(() => {}, 1000);
  `;
  const startParent = async (
    command: readonly string[],
  ): Promise<{ parent: ChildProcess; pid: number }> => {
    const bound = boundCommand(command, -1).map((arg) => (arg === '-1' ? 'PARENT' : arg));
    const parent = spawn(process.execPath, ['-e', parentScript, JSON.stringify(bound)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    return { parent, pid: Number(line.toString()) };
  };

  test('a server is gone within a second of kill -9 of the one who started it', async () => {
    const { parent, pid } = await startParent(['sleep', '300']);
    const comm = async () => (await readFile(`/proc/${pid}/comm`, 'utf8')).trim();
    await until(async () => (await comm()) === 'sleep', 3_000, 'the program to run');
    parent.kill('SIGKILL');
    await gone(pid, 1_000);
  });

  test('a child whose parent died before it could ask does not start', async () => {
    const [program, ...args] = boundCommand(['sleep', '300'], 1);
    const child = spawn(program as string, args);
    expect(await once(child, 'exit')).toEqual([1, null]);
  });
});
