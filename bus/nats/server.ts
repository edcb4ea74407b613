import type { ChildProcess } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pause, systemClock } from '../../supervisors/clock.ts';
import { replaceFile } from '../durable-file.ts';
import { type Exit, clearStale, recordChild, spawnBound } from './child.ts';
import { type ClusterOptions, serverConfig, storeKeyValue, storeKeyVariable } from './config.ts';
import { ServerError } from './errors.ts';
import { connectLink, type Link, type TlsMaterial } from './link.ts';
import type { OwnUsers } from './users.ts';

export type { ClusterOptions } from './config.ts';
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface ServerOptions {
  /** The program, as path or name. */
  readonly binary: string;
  /** For files with keys in the clear; they go into a folder `nats` in it, which is removed when the server stops. */
  readonly runDir: string;
  /** Kept over restarts, and never a copy of another server's. Each generation of the log has its own. */
  readonly storeDir: string;
  /** Data key of the store, 32 bytes. */
  readonly storeKey: Uint8Array;
  readonly nodeId: string;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsMaterial;
  /** Public account key of the auth callout. */
  readonly issuer: string;
  readonly users: OwnUsers;
  readonly connectionsMax?: number;
  /** Absent on a manager that is alone. */
  readonly cluster?: ClusterOptions;
  readonly log: (level: LogLevel, line: string) => void;
  /** Told right before a reload, which closes every connection that a certificate let in. */
  readonly onReload?: () => void;
  readonly signal?: AbortSignal;
}

export interface NatsServer {
  readonly pid: number;
  /** Node ID and incarnation: JetStream knows the server by it. */
  readonly name: string;
  /** `host:port` for the daemon's own connections. */
  readonly address: string;
  readonly exited: Promise<Exit>;
  /** It has given up its store, for want of room as a rule, and goes on without; only a new start opens it again. */
  readonly storeLost: Promise<void>;
  /** The other servers go on without it: its store is of no use any more. */
  readonly removed: Promise<void>;
  /**
   * Takes new certificates, roots, routes and pinned keys into use; routes with a key that is not pinned any more close
   * right after. nats-server asks again who everybody is, and to do so it closes every connection that a certificate let
   * in: they come back at once, but all together. So nothing is done where nothing has changed. Without `changes` routes
   * and pinned keys stay as they are. False when nothing had to be done. Throws `ServerError`.
   */
  reload(tls: TlsMaterial, changes?: ClusterChanges): Promise<boolean>;
  /** SIGTERM, and SIGKILL if that does not end it. Resolves when the process is gone. */
  stop(): Promise<void>;
}

/** What may change of the routes while a server runs. */
export type ClusterChanges = Pick<ClusterOptions, 'routes' | 'pinnedCerts'>;

/** Opening a large encrypted store takes seconds. */
const readyTimeoutMs = 60_000;
const stopTimeoutMs = 5_000;
/** Who asks before there is a leader gets no answer at all. */
const requestTimeoutMs = 250;
const reloadTimeoutMs = 10_000;
const pollMs = 20;
/** What nats-server says at the end of a reload. */
const reloadDone = 'Reloaded server configuration';
/** Of resources, or of space: `will be DISABLED`. */
const storeGivenUp = 'JetStream out of ';
const takenOut = 'our server was removed from the cluster';
/** It warns of leaving out the host name; that the other's key is pinned it does not see. */
const pinsInstead = 'TLS certificate chain and hostname of solicited routes will not be verified';
const reloadFailed = 'Failed to reload server configuration';

/**
 * Starts nats-server on its store and waits until it serves the log's account: alone with JetStream; in a cluster without,
 * since that may need the other managers (`waitForJetStream`). Starting it again on the same store loses nothing. Throws
 * `ServerError`, or the signal's reason; no process is left behind then.
 */
export async function startServer(options: ServerOptions): Promise<NatsServer> {
  const files = fileNames(join(options.runDir, 'nats'));
  await mkdir(files.dir, { recursive: true, mode: 0o700 });
  await clearStale(files.record, files.config);
  await mkdir(options.storeDir, { recursive: true, mode: 0o700 });
  const name = `${options.nodeId}-${await incarnation(options.storeDir, options.storeKey)}`;
  await writeConfig(options, name, files);
  const server = new Child(options, name, files);
  try {
    await server.ready(options);
  } catch (error) {
    await server.stop();
    await server.removeFiles();
    throw error;
  }
  return server;
}

class Child implements NatsServer {
  readonly name: string;
  readonly address: string;
  readonly exited: Promise<Exit>;
  readonly storeLost: Promise<void>;
  readonly removed: Promise<void>;
  readonly #process: ChildProcess;
  readonly #files: Files;
  /** What the server runs with. */
  #options: ServerOptions;
  #reloading: Promise<unknown> = Promise.resolve();
  /** What the server complained about last: the reason when it ends. */
  #complaint = '';
  #ended = false;
  #onReload: (text: string) => void = () => {};
  #onStoreLost: () => void = () => {};
  #onRemoved: () => void = () => {};

  constructor(options: ServerOptions, name: string, files: Files) {
    this.name = name;
    this.address = localAddress(options);
    this.#files = files;
    this.#options = options;
    const env = { [storeKeyVariable]: storeKeyValue(options.storeKey) };
    this.#process = spawnBound([options.binary, '-c', files.config], env);
    this.storeLost = new Promise((resolve) => {
      this.#onStoreLost = resolve;
    });
    this.removed = new Promise((resolve) => {
      this.#onRemoved = resolve;
    });
    this.#readLines(options.log);
    this.exited = new Promise((resolve) => {
      this.#process.once('error', (error) => {
        this.#complaint = error.message;
        resolve({ code: null, signal: null });
      });
      // 'close' comes after the last line of output.
      this.#process.once('close', (code, signal) => resolve({ code, signal }));
    });
    void this.exited.then(() => {
      this.#ended = true;
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async ready(options: ServerOptions): Promise<void> {
    if (this.pid > 0) await recordChild(this.#files.record, this.pid);
    const giveUp = new AbortController();
    const abort = (): void => giveUp.abort(options.signal?.reason);
    const timer = setTimeout(
      () =>
        giveUp.abort(new ServerError('not-ready', `nats-server is not ready: ${this.#complaint}`)),
      readyTimeoutMs,
    );
    options.signal?.addEventListener('abort', abort);
    if (options.signal?.aborted === true) abort();
    void this.exited.then((exit) => giveUp.abort(this.#failure(exit)));
    try {
      await waitUntilServing(options, this.name, giveUp.signal);
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
    }
  }

  /** One at a time: what nats-server says of a reload does not tell which. */
  reload(tls: TlsMaterial, changes: Partial<ClusterChanges> = {}): Promise<boolean> {
    const reloading = this.#reloading.then(() => this.#reload(tls, changes));
    // the caller has the error; the next reload only waits for the end
    this.#reloading = reloading.catch(() => {});
    return reloading;
  }

  async #reload(tls: TlsMaterial, changes: Partial<ClusterChanges>): Promise<boolean> {
    const { cluster } = this.#options;
    const options: ServerOptions = {
      ...this.#options,
      tls,
      ...(cluster === undefined ? {} : { cluster: { ...cluster, ...changes } }),
    };
    if (this.#ended || isSame(options, this.#options)) return false;
    await writeConfig(options, this.name, this.#files);
    options.onReload?.();
    await this.#hangUp();
    this.#options = options;
    return !this.#ended;
  }

  /** Lets the server read its configuration again. */
  async #hangUp(): Promise<void> {
    const reloaded = new Promise<void>((resolve, reject) => {
      const fail = (message: string): void => reject(new ServerError('failed', message));
      const timer = setTimeout(() => fail('nats-server does not reload'), reloadTimeoutMs);
      this.#onReload = (text) => {
        clearTimeout(timer);
        if (text.startsWith(reloadFailed)) fail(text);
        else resolve();
      };
    });
    this.#process.kill('SIGHUP');
    await Promise.race([reloaded, this.exited]);
  }

  async stop(): Promise<void> {
    // Its files may be the next one's by now.
    if (this.#ended) return;
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), stopTimeoutMs);
    await this.exited;
    clearTimeout(timer);
    await this.removeFiles();
  }

  removeFiles(): Promise<void> {
    return rm(this.#files.dir, { recursive: true, force: true });
  }

  #failure(exit: Exit): ServerError {
    const bind = /listen tcp [^"]*: bind: address already in use/.exec(this.#complaint);
    if (bind !== null) return new ServerError('port-taken', bind[0]);
    const how = exit.signal ?? `code ${exit.code ?? 'none'}`;
    return new ServerError('failed', `nats-server ended (${how}): ${this.#complaint}`);
  }

  #readLines(log: ServerOptions['log']): void {
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        const { level: told, text } = parseLine(line);
        const isExpected = text.startsWith(pinsInstead) || text.includes(takenOut);
        const level = isExpected ? 'debug' : told;
        if (level === 'error') this.#complaint = text;
        if (text.startsWith(reloadFailed) || text.startsWith(reloadDone)) this.#onReload(text);
        if (text.startsWith(storeGivenUp)) this.#onStoreLost();
        if (text.includes(takenOut)) this.#onRemoved();
        log(level, text);
      });
    }
  }
}

/** Ready is: the log's account gets in, and alone its JetStream answers. A foreign server on the port lets nobody in. */
async function waitUntilServing(
  options: ServerOptions,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const linkOptions = {
    servers: [localAddress(options)],
    name: 'readiness',
    tls: () => options.tls,
    user: options.users.log,
  };
  const link = await connectLink(linkOptions, () => {}, signal);
  try {
    if (link.connection().info?.server_name !== name)
      throw new ServerError('failed', `another server answers at ${localAddress(options)}`);
    if (options.cluster === undefined) await waitForJetStream(link, signal);
  } finally {
    await link.close();
  }
}

/**
 * Resolves when JetStream answers: in a cluster, when its managers' servers have found each other and a leader. Rejects
 * with the signal's reason only.
 * @param link of the account `log`
 */
export async function waitForJetStream(link: Link, signal: AbortSignal): Promise<void> {
  while (!(await answersJetStream(link))) {
    signal.throwIfAborted();
    // Not there yet, JetStream refuses at once.
    await pause(systemClock, pollMs, signal);
    signal.throwIfAborted();
  }
}

async function answersJetStream(link: Link): Promise<boolean> {
  try {
    const answer = await link.request('$JS.API.INFO', new Uint8Array(), requestTimeoutMs);
    return answer.json<{ readonly error?: unknown }>().error === undefined;
  } catch {
    return false;
  }
}

type Files = ReturnType<typeof fileNames>;
const fileNames = (dir: string) => ({
  dir,
  config: join(dir, 'server.conf'),
  record: join(dir, 'server.json'),
  tls: { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem'), ca: join(dir, 'ca.pem') },
});

async function writeConfig(options: ServerOptions, name: string, files: Files): Promise<void> {
  await replaceFile(files.tls.key, options.tls.key);
  await replaceFile(files.tls.cert, options.tls.cert);
  await replaceFile(files.tls.ca, options.tls.ca);
  await replaceFile(files.config, configText(options, name, files));
}

/** Whether there is nothing to reload between the two. */
const isSame = (one: ServerOptions, other: ServerOptions): boolean =>
  JSON.stringify([one.tls, one.cluster]) === JSON.stringify([other.tls, other.cluster]);

function configText(options: ServerOptions, serverName: string, files: Files): string {
  const { host, port, storeDir, issuer, users, cluster, connectionsMax } = options;
  return serverConfig({
    serverName,
    host,
    port,
    storeDir,
    tlsFiles: files.tls,
    issuer,
    users: {
      log: users.log.publicKey,
      system: users.system.publicKey,
      bus: users.bus.publicKey,
      auth: users.auth.publicKey,
    },
    ...(cluster === undefined ? {} : { cluster }),
    ...(connectionsMax === undefined ? {} : { connectionsMax }),
  });
}

/**
 * JetStream's peer ID is a hash of the server's name; a store that was wiped must not come back under its old one. The
 * file also tells whether the key is the store's: with a wrong one nats-server starts, without its streams.
 */
async function incarnation(storeDir: string, storeKey: Uint8Array): Promise<string> {
  const file = join(storeDir, 'incarnation');
  // one that cannot be read is no missing one: a server must not get another name by that
  const found = existsSync(file) ? await readFile(file, 'utf8') : '';
  const [name = '', proof] = found.split(' ');
  const proofOf = (text: string): string =>
    createHmac('sha256', storeKey).update(text).digest('hex').slice(0, 32);
  if (/^[0-9a-f]{8}$/.test(name)) {
    if (proof !== proofOf(name))
      throw new ServerError('failed', `the store ${storeDir} was made with another key`);
    return name;
  }
  const drawn = randomBytes(4).toString('hex');
  await replaceFile(file, `${drawn} ${proofOf(drawn)}`);
  return drawn;
}

/** Where the daemon itself reaches a server that may listen everywhere. */
export function localAddress({ host, port }: Pick<ServerOptions, 'host' | 'port'>): string {
  if (host === '0.0.0.0') return `127.0.0.1:${port}`;
  if (host === '::') return `[::1]:${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

const levels: Readonly<Record<string, LogLevel>> = {
  DBG: 'debug',
  TRC: 'debug',
  INF: 'info',
  WRN: 'warn',
  ERR: 'error',
  FTL: 'error',
};

/** `[pid] [INF] text`; what is not of this form comes before logging starts, and is a complaint. */
export function parseLine(line: string): { readonly level: LogLevel; readonly text: string } {
  const match = /^\[\d+\] \[([A-Z]{3})\] (.*)$/.exec(line);
  const level = levels[match?.[1] ?? ''];
  return level === undefined ? { level: 'error', text: line } : { level, text: match?.[2] ?? '' };
}
