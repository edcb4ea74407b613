// A natswarm daemon in front of a test engine: the built dist/, in the engine's network namespace, with folders of
// its own. `npm run build` must have run.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  childrenOf,
  commandOf,
  type CommandResult,
  dockerCli,
  type Engine,
  type RunOptions,
  signal,
  until,
} from './engine.ts';
import { freePort } from './free-port.ts';

const entry = resolve(import.meta.dirname, '../../dist/cmd/cli.js');
/** From a build of the tests (`npm run bench`) the sources' dist is one level further up. */
const builtEntry = existsSync(entry)
  ? entry
  : resolve(import.meta.dirname, '../../../dist/cmd/cli.js');

const withParent = ['setpriv', '--pdeathsig', 'KILL'] as const;

export interface DaemonOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another program than the daemon's entry, started with the same flags (a simulated executor, say). */
  readonly entry?: string;
  readonly busPort?: number;
  /** Flags for node itself, `--cpu-prof` for example. */
  readonly nodeArgs?: readonly string[];
  /** Rather than the engine's network namespace, this one (a path) or none (''). */
  readonly netns?: string;
  /** Rather than a network namespace only, what this command enters, asked at each start; it forks. */
  readonly enter?: () => readonly string[];
  readonly stateDir?: string;
  readonly runDir?: string;
  readonly advertiseAddr?: string;
}
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly body: unknown;
}

export class Daemon {
  readonly dir: string;
  readonly socket: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly busPort: number;
  readonly logFile: string;
  /** Variables of the next start, beside those of the options. */
  env: Readonly<Record<string, string>> = {};
  readonly #engineSocket: string;
  readonly #netns: string;
  readonly #options: DaemonOptions;
  readonly #http: Agent;
  #child: ChildProcess | undefined;
  #gone: Promise<unknown> = Promise.resolve();

  /** Use `startDaemon`. */
  constructor(dir: string, engine: Pick<Engine, 'socket' | 'netns'>, options: DaemonOptions) {
    this.dir = dir;
    this.socket = join(dir, 'natswarm.sock');
    this.stateDir = options.stateDir ?? join(dir, 'state');
    this.runDir = options.runDir ?? join(dir, 'run');
    this.busPort = options.busPort ?? 7946;
    this.logFile = join(dir, 'daemon.log');
    this.#engineSocket = engine.socket;
    this.#netns = options.netns ?? `/run/netns/${engine.netns}`;
    this.#options = options;
    this.#http = new Agent({ keepAlive: true, maxSockets: 64 });
  }

  /** 0 while it does not run. */
  get pid(): number {
    const child = this.#child?.pid ?? 0;
    return this.#options.enter === undefined ? child : (childrenOf(child)[0] ?? 0);
  }

  /** Starts the process and waits until its API answers. */
  async start(timeoutMs = 30_000): Promise<void> {
    await this.launch();
    try {
      await until(
        async () => {
          if (this.#child === undefined) throw new Error('the daemon ended');
          return existsSync(this.socket) && (await this.#ping());
        },
        timeoutMs,
        'the daemon',
      );
    } catch (error) {
      const log = readFileSync(this.logFile, 'utf8').split('\n').slice(-20).join('\n');
      throw new Error(`natswarm daemon did not start: ${String(error)}\n${log}`, { cause: error });
    }
  }

  /** Starts the process only. */
  async launch(): Promise<void> {
    await mkdir(this.dir, { recursive: true });
    const flags = [
      ['--host', `unix://${this.socket}`],
      ['--engine', `unix://${this.#engineSocket}`],
      ['--state-dir', this.stateDir],
      ['--run-dir', this.runDir],
      ['--bus-port', String(this.busPort)],
      ['--route-port', String(this.busPort + 1)],
      ['--advertise-addr', this.#options.advertiseAddr ?? '127.0.0.1'],
    ].flat();
    const network = this.#netns === '' ? [] : ['nsenter', `--net=${this.#netns}`, '--'];
    const [program, ...args] = [
      // a test that dies takes its daemon along, and what only waits for the daemon (it may be stopped)
      ...withParent,
      ...(this.#options.enter?.() ?? network),
      ...withParent,
      process.execPath,
      ...(this.#options.nodeArgs ?? []),
      this.#options.entry ?? builtEntry,
      'daemon',
      ...flags,
      ...(this.#options.args ?? []),
    ];
    const log = openSync(this.logFile, 'a');
    const child = spawn(program, args, {
      stdio: ['ignore', log, log],
      env: {
        PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
        ...this.#options.env,
        ...this.env,
      },
    });
    closeSync(log);
    this.#child = child;
    this.#gone = once(child, 'exit').then(() => {
      if (this.#child === child) this.#child = undefined;
    });
  }

  /** Resolves with the exit code when the process has ended by itself. */
  async exited(timeoutMs = 15_000): Promise<void> {
    await until(() => this.#child === undefined, timeoutMs, 'the daemon to end');
  }

  async signal(name: NodeJS.Signals): Promise<void> {
    const { pid } = this;
    // what only waits for the daemon ends with it
    if (this.#options.enter !== undefined && pid > 0) signal(pid, name);
    else this.#child?.kill(name);
    await this.#gone;
  }
  async kill(): Promise<void> {
    await this.signal('SIGKILL');
  }

  /** The nats-server that this daemon runs; 0 when there is none. */
  serverPid(): number {
    return childrenOf(this.pid).find((pid) => commandOf(pid) === 'nats-server') ?? 0;
  }

  /** Ends the daemon, its server and everything in its folder. Containers are the engine's to remove. */
  async stop(): Promise<void> {
    const server = this.serverPid();
    await this.kill();
    if (server > 0) await until(() => !existsSync(`/proc/${server}`), 5_000, 'nats-server to end');
    this.#http.destroy();
    await rm(this.dir, { recursive: true, force: true });
  }

  docker(...args: string[]): Promise<CommandResult> {
    return this.dockerWith({}, ...args);
  }
  dockerWith(options: RunOptions, ...args: string[]): Promise<CommandResult> {
    return dockerCli(this.socket, join(this.dir, 'cli'), args, options);
  }
  /** Like `docker`, for a command that has to work: gives its output, trimmed. */
  async mustDocker(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.docker(...args);
    if (code !== 0)
      throw new Error(`docker ${args.join(' ')}: ${code}: ${stderr.trim()} ${stdout.trim()}`);
    return stdout.trim();
  }

  /** One API request; rejects only when there is no answer. */
  api(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<ApiAnswer> {
    return new Promise((resolve_, reject) => {
      const payload =
        body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const req = request(
        {
          socketPath: this.socket,
          agent: this.#http,
          method,
          path,
          headers: {
            ...(payload !== undefined && {
              'content-type': 'application/json',
              'content-length': String(Buffer.byteLength(payload)),
            }),
            ...headers,
          },
        },
        (res) => {
          const chunks: Buffer[] = [];
          res.on('data', (chunk: Buffer) => chunks.push(chunk));
          res.on('error', reject);
          res.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve_({
              status: res.statusCode ?? 0,
              headers: res.headers,
              text,
              body: asJson(text),
            });
          });
        },
      );
      req.on('error', reject);
      req.end(payload);
    });
  }

  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  #ping(): Promise<boolean> {
    return this.api('GET', '/_ping').then(
      (answer) => answer.status === 200,
      () => false,
    );
  }
}

/** Starts a daemon in front of `engine`. Whoever starts one stops it, before the engine. */
export async function startDaemon(
  engine: Pick<Engine, 'socket' | 'netns'>,
  options: DaemonOptions = {},
): Promise<Daemon> {
  const own = options.netns === '' ? await ownPorts(options) : options;
  const daemon = new Daemon(await mkdtemp(join(tmpdir(), 'natswarm-d-')), engine, own);
  try {
    await daemon.start();
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  return daemon;
}

/** In this machine's own network the default ports are a swarm's that may run there. */
async function ownPorts(options: DaemonOptions): Promise<DaemonOptions> {
  const listen = ['--listen-addr', `127.0.0.1:${await freePort()}`];
  // of two the last one counts
  const args = [...listen, ...(options.args ?? [])];
  return { ...options, busPort: options.busPort ?? (await freePort()), args };
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Resident memory of a process and its children, bytes. */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return sum + Number(kib ?? 0) * 1024;
    } catch {
      return sum;
    }
  }, 0);
}

/** CPU seconds (user and system) of processes since their start. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return sum + (Number(fields[11]) + Number(fields[12])) / 100;
    } catch {
      return sum;
    }
  }, 0);
}

/** Names of all processes whose command line holds `text`; for "nothing is left" checks. */
export const processesWith = (text: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text);
      } catch {
        return false;
      }
    });
