// A private Docker Engine for tests and benchmarks: its own dockerd and containerd in network, mount
// and process namespaces of their own (engine-host.sh), so that any number of them run side by side
// and none touches the machine's own engine, network or firewall. Needs root and `deploy/install`.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { existsSync, openSync, closeSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { patient } from './patience.ts';

const root = projectRoot(import.meta.dirname);
const hostScript = join(root, 'test/support/engine-host.sh');
const imageScript = join(root, 'deploy/test-image');

/** What the test images are called; `loadImages` brings them. */
export const WEB_1 = 'natswarm-web:1';
export const WEB_2 = 'natswarm-web:2';
export const SLEEP = 'natswarm-sleep:1';

const READY_TIMEOUT_MS = 30_000;
const COMMAND_TIMEOUT_MS = 300_000;
const PATH = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;

export interface CommandResult {
  /** Exit code; 137 when it was killed, by its time limit for example. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
}

export interface EngineOptions {
  /** Part of the names of the namespace and the folder; letters, digits and dashes. */
  readonly name?: string;
  /** More dockerd flags, `--live-restore` for example. */
  readonly extraArgs?: readonly string[];
  /** Where the engine keeps images and containers. The caller's own: `stop` leaves it. */
  readonly dataRoot?: string;
  /** What the machine calls itself. Default: as this one does. */
  readonly hostname?: string;
}

let counter = 0;

/** Runs a program to its end. Never rejects because of its exit code. */
export async function run(
  argv: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    env: { HOME: '/root', LC_ALL: 'C.UTF-8', ...options.env, PATH },
    timeout: options.timeoutMs ?? COMMAND_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // a program that does not read its input is no error of ours
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return {
    code: code ?? 137,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
  };
}

/** The real docker CLI against the API at `socket`, with a configuration folder of its own. */
export function dockerCli(
  socket: string,
  configDir: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  const env = { ...options.env, DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: configDir };
  return run(['docker', ...args], { ...options, env });
}

interface Dockerd {
  readonly pid: number;
  /** nsenter, which waits for it and ends with it. */
  readonly child: ChildProcess;
  readonly gone: Promise<unknown>;
}

export class Engine {
  readonly netns: string;
  readonly dir: string;
  readonly socket: string;
  readonly dataRoot: string;
  readonly logFile: string;
  readonly #extraArgs: readonly string[];
  readonly #hostname: string;
  #host: ChildProcess | undefined;
  #init = 0;
  #dockerd: Dockerd | undefined;

  /** Use `startEngine`. */
  constructor(netns: string, dir: string, options: EngineOptions) {
    this.netns = netns;
    this.dir = dir;
    this.socket = join(dir, 'docker.sock');
    this.dataRoot = options.dataRoot ?? join(dir, 'data');
    this.logFile = join(dir, 'dockerd.log');
    this.#extraArgs = options.extraArgs ?? [];
    this.#hostname = options.hostname ?? '';
  }

  /** dockerd's process ID as this process sees it; 0 while it does not run. */
  get pid(): number {
    return this.#dockerd?.pid ?? 0;
  }

  /** The first process of the machine; 0 while its power is off. */
  get init(): number {
    return this.#init;
  }

  /** Put before a command, this runs it in the engine's network, its process ID being its own. */
  get enterNetwork(): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.netns}`, '--'];
  }

  /** Put before a command, this runs it inside all of the engine's namespaces: what it mounts there
   * the engine sees. The working directory is `/`; the process is nsenter's child. */
  get enter(): readonly string[] {
    return ['nsenter', '-t', String(this.#init), '-m', '-n', '-u', '-i', '-p', '--'];
  }

  docker(...args: string[]): Promise<CommandResult> {
    return dockerCli(this.socket, join(this.dir, 'cli'), args);
  }

  /** Like `docker`, for a command that has to work: gives its output, trimmed. */
  async mustDocker(...args: string[]): Promise<string> {
    const result = await this.docker(...args);
    if (result.code !== 0) throw new Error(`docker ${args.join(' ')}: ${result.stderr.trim()}`);
    return result.stdout.trim();
  }

  /** SIGKILL to dockerd and its containerd. Containers run on, orphaned, until the next start. */
  async kill(): Promise<void> {
    const dockerd = this.#dockerd;
    if (!dockerd) return;
    const containerd = childrenOf(dockerd.pid).filter((pid) => commandOf(pid) === 'containerd');
    dockerd.child.ref();
    for (const pid of [dockerd.pid, ...containerd]) signal(pid, 'SIGKILL');
    await dockerd.gone;
    await until(() => containerd.every((pid) => !existsSync(`/proc/${pid}`)), 5_000, 'containerd');
  }

  /** SIGTERM, as a service manager ends it: without `--live-restore` its containers stop, too. */
  async terminate(): Promise<void> {
    const dockerd = this.#dockerd;
    if (!dockerd) return;
    dockerd.child.ref();
    signal(dockerd.pid, 'SIGTERM');
    await dockerd.gone;
  }

  /** Starts dockerd (again) and waits until it answers. */
  async start(): Promise<void> {
    if (this.#dockerd) throw new Error('this dockerd runs already');
    await rm(this.socket, { force: true });
    const log = openSync(this.logFile, 'a');
    // an nsenter that somebody stopped would keep the machine from ending with the test
    const withParent = ['setpriv', '--pdeathsig', 'KILL'];
    const [program = '', ...args] = [...withParent, ...this.enter, 'dockerd', ...this.#flags()];
    const child = spawn(program, args, { env: { PATH }, stdio: ['ignore', log, log] });
    closeSync(log);
    child.unref();
    const gone = once(child, 'exit').then(() => (this.#dockerd = undefined));
    try {
      await until(() => exited(child) || pingable(this.socket), READY_TIMEOUT_MS, 'dockerd');
      // nsenter waits for its only child, dockerd, and ends with it
      const pid = childrenOf(child.pid ?? 0)[0];
      if (exited(child) || pid === undefined) throw new Error('dockerd ended');
      this.#dockerd = { pid, child, gone };
    } catch (error) {
      const tail = (await readFile(this.logFile, 'utf8')).split('\n').slice(-20).join('\n');
      throw new Error(`dockerd did not start: ${String(error)}\n${tail}`, { cause: error });
    }
  }

  async restart(): Promise<void> {
    await this.terminate();
    await this.start();
  }

  /** Power failure and boot: every process and mount is gone, the data root is as it was. */
  async reboot(): Promise<void> {
    await this.powerOff();
    await this.boot();
    await this.start();
  }

  /** Power failure: SIGKILL for every process; the folders stay. */
  async powerOff(): Promise<void> {
    await this.#powerOff('off\n');
  }

  /** Ends all of it at once and removes it: containers, mounts, namespaces, cgroups, folders. */
  async stop(): Promise<void> {
    await this.#powerOff('');
  }

  /** The namespaces, without dockerd. Part of `startEngine` and `reboot`. */
  async boot(): Promise<void> {
    const log = openSync(join(this.dir, 'host.log'), 'a');
    const host = spawn('bash', [hostScript, this.netns, this.dir, this.#hostname], {
      detached: true,
      env: { PATH },
      stdio: ['pipe', 'pipe', log],
    });
    closeSync(log);
    const { stdin, stdout } = host;
    if (!stdin || !stdout) throw new Error('no pipes to the host script');
    const lines = createInterface({ input: stdout });
    const ended = once(host, 'exit');
    const [answer]: unknown[] = await Promise.race([once(lines, 'line'), ended]);
    const init = typeof answer === 'string' ? Number(answer.split(' ')[1]) : 0;
    if (!init) {
      const problem = await readFile(join(this.dir, 'host.log'), 'utf8').catch(() => '');
      throw new Error(`no namespaces for a test engine (is this root?): ${problem}`);
    }
    lines.close();
    // Never keeps the test's process alive; when that ends, the script sees it and cleans up.
    host.unref();
    for (const pipe of [stdin, stdout]) (pipe as Socket).unref();
    this.#host = host;
    this.#init = init;
  }

  async #powerOff(command: string): Promise<void> {
    const host = this.#host;
    if (!host) return;
    this.#host = undefined;
    const dockerd = this.#dockerd;
    const ended = exited(host) ? undefined : once(host, 'exit');
    host.ref();
    dockerd?.child.ref();
    host.stdin?.end(command);
    await ended;
    await dockerd?.gone;
    this.#init = 0;
  }

  #flags(): string[] {
    const flags = {
      'config-file': join(this.dir, 'daemon.json'),
      host: `unix://${this.socket}`,
      'data-root': this.dataRoot,
      // /run is the engine's own, see engine-host.sh
      'exec-root': '/run/docker',
      pidfile: '/run/docker.pid',
      // no systemd inside; one parent for all containers, so that no cgroup is left behind
      'exec-opt': 'native.cgroupdriver=cgroupfs',
      'cgroup-parent': `/${this.netns}`,
    };
    return [
      ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
      ...this.#extraArgs,
    ];
  }
}

/** Starts a private engine. Whoever starts one stops it; should the process die, it stops itself. */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  counter += 1;
  const name = `natswarm-t-${process.pid}-${counter}${options.name ? `-${options.name}` : ''}`;
  const dir = await mkdtemp(join(tmpdir(), 'natswarm-t-'));
  const engine = new Engine(name, dir, options);
  try {
    await mkdir(join(dir, 'cli'));
    await writeFile(join(dir, 'daemon.json'), '{}\n');
    await engine.boot();
    await engine.start();
  } catch (error) {
    await engine.stop();
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
  return engine;
}

/** Brings natswarm-web:1, natswarm-web:2 and natswarm-sleep:1, the same IDs in every engine. */
export async function loadImages(engine: Engine): Promise<void> {
  await engine.mustDocker('load', '--quiet', '--input', await imageArchive());
}

/** The test images as an archive for `docker load`; made once, kept in the temporary folder. */
export async function imageArchive(): Promise<string> {
  const key = createHash('sha256')
    .update(await readFile(imageScript))
    .digest('hex')
    .slice(0, 16);
  const archive = join(tmpdir(), `natswarm-images-${key}.tar`);
  if (existsSync(archive)) return archive;
  const made = await run([imageScript, '--tar', archive]);
  if (made.code !== 0) throw new Error(`deploy/test-image: ${made.stderr}`);
  return archive;
}

/** Runs a program in the engine's network, with this machine's files and processes. */
export function netnsExec(
  engine: Engine,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  return run([...engine.enterNetwork, ...argv], options);
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * A script for bash follows. With a socket as its input, as Node gives it one, bash takes itself for a remote shell and
 * reads the user's ~/.bashrc, which may take seconds.
 */
export const BASH = ['bash', '--norc', '-c'] as const;

// bash's own sockets: no HTTP client is needed, and it starts in milliseconds
const GET =
  'exec 3<>"/dev/tcp/$1/$2" && printf "GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n" "$3" "$1" >&3 && cat <&3';

/** HTTP GET from within the engine's network. Rejects when nothing answers in time. */
export async function httpGet(
  engine: Engine,
  host: string,
  port: number,
  path = '/',
  timeoutMs = patient(2_000),
): Promise<HttpAnswer> {
  const argv = [...BASH, GET, 'get', host, String(port), path];
  const { code, stdout, stderr } = await netnsExec(engine, argv, { timeoutMs });
  const status = /^HTTP\/1\.\d (\d{3})/.exec(stdout)?.[1];
  if (code !== 0 || status === undefined) {
    throw new Error(`no answer from http://${host}:${port}${path} (${code}): ${stderr.trim()}`);
  }
  return { status: Number(status), body: stdout.slice(stdout.indexOf('\r\n\r\n') + 4) };
}

/** The project's folder, from this file's or, where it was compiled (benchmarks), the output's. */
function projectRoot(from: string): string {
  if (existsSync(join(from, 'deploy/test-image'))) return from;
  const parent = resolve(from, '..');
  if (parent === from) throw new Error('deploy/test-image is in no folder above this file');
  return projectRoot(parent);
}

/** Resolves as soon as `condition` holds, usually within `usualMs`; rejects, naming `what`, when there is no hope. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  usualMs: number,
  what: string,
): Promise<void> {
  const limitMs = patient(usualMs);
  const end = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms for ${what}`);
    await sleep(20);
  }
}

function pingable(socketPath: string): Promise<boolean> {
  return new Promise((answer) => {
    const get = request({ socketPath, path: '/_ping', timeout: 2_000 }, (response) => {
      response.resume();
      answer(response.statusCode === 200);
    });
    get.on('error', () => answer(false));
    get.on('timeout', () => get.destroy());
    get.end();
  });
}

function exited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Sends a signal to whoever is still there. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended by itself
  }
}

/** The processes that any thread of `pid` has started. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
        .split(' ')
        .filter((text) => text !== '')
        .map(Number),
    );
  } catch {
    return [];
  }
}

/** The short name of a process; '' when there is none. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}
