import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AuthOptions, type Denial, serveAuth } from '../../bus/nats/auth.ts';
import { type BusConnection, connectBus } from '../../bus/nats/bus.ts';
import { connectLink, type Link, type TlsMaterial } from '../../bus/nats/link.ts';
import { NatsLog } from '../../bus/nats/log.ts';
import { type NatsServer, type ServerOptions, startServer } from '../../bus/nats/server.ts';
import { createOwnUsers } from '../../bus/nats/users.ts';
import { subjects } from '../../bus/subjects.ts';
import {
  Authority,
  createCluster,
  createNKey,
  generateKeys,
  privateKeyToPem,
  type Role,
  trustRoots,
} from '../../pki/mod.ts';
import { until } from './engine.ts';
import { freePort } from './free-port.ts';
import { patient } from './patience.ts';

const dayMs = 86_400_000;

/** The nats-server that deploy/install put there, or one on the PATH. */
export function natsServerBinary(): string {
  const own = process.env['NATSWARM_BIN'] ?? '/usr/local/lib/natswarm/bin';
  for (const dir of [own, ...(process.env['PATH'] ?? '').split(delimiter)]) {
    const file = join(dir, 'nats-server');
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  throw new Error('no nats-server; run deploy/install');
}

/** A cluster's CA and what it issues. */
export class TestPki {
  readonly clusterId: string;
  readonly authority: Authority;
  readonly roots: string;

  constructor(clusterId = 'testcluster') {
    this.clusterId = clusterId;
    const material = createCluster({ clusterId, nowMs: Date.now() });
    this.authority = new Authority(material);
    this.roots = material.rootCertPem;
  }

  identity(nodeId: string, role: Role, validityMs = dayMs, nowMs = Date.now()): TlsMaterial {
    const { privateKey, publicKey } = generateKeys();
    const cert = this.authority.signNode({ nodeId, role, publicKey, validityMs, nowMs });
    return { cert, key: privateKeyToPem(privateKey), ca: this.roots };
  }
}

/** One manager's bus on a loopback port, its store and run directory in a temporary folder. */
export class TestBus {
  readonly pki: TestPki;
  readonly denials: Denial[] = [];
  readonly lines: string[] = [];
  readonly revoked = new Set<string>();
  readonly options: ServerOptions;
  readonly issuer = createNKey('account');
  readonly dir: string;
  readonly #connections: (Link | BusConnection)[] = [];
  server: NatsServer;

  private constructor(pki: TestPki, dir: string, options: ServerOptions, server: NatsServer) {
    this.pki = pki;
    this.dir = dir;
    this.options = options;
    this.server = server;
  }

  static async start(overrides: Partial<ServerOptions> = {}): Promise<TestBus> {
    const dir = await mkdtemp(join(tmpdir(), 'natswarm-bus-'));
    const pki = new TestPki();
    const bus = new TestBus(pki, dir, {} as ServerOptions, {} as NatsServer);
    const options: ServerOptions = {
      binary: natsServerBinary(),
      runDir: join(dir, 'run'),
      storeDir: join(dir, 'store'),
      storeKey: Buffer.alloc(32, 7),
      nodeId: 'manager1',
      host: '127.0.0.1',
      port: await freePort(),
      tls: pki.identity('manager1', 'manager'),
      issuer: bus.issuer.publicKey,
      users: createOwnUsers(),
      log: (level, line) => bus.lines.push(`${level} ${line}`),
      ...overrides,
    };
    Object.assign(bus, { options });
    try {
      bus.server = await startServer(options);
    } catch (error) {
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
    return bus;
  }

  /** The server again, on the same store; all connections are back. */
  async restart(): Promise<void> {
    this.server = await startServer(this.options);
    await Promise.all(this.#connections.map((connection) => connectionIs(connection, true)));
  }

  async kill(): Promise<void> {
    process.kill(this.server.pid, 'SIGKILL');
    await this.server.exited;
  }

  /** Resolves when every connection has noticed that it is lost. */
  async disconnected(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connectionIs(connection, false)));
  }

  /** A connection without a codec: one of the daemon's own users, or a node by certificate. */
  async link(user: 'log' | 'system' | 'auth' | TlsMaterial, inboxOf?: string): Promise<Link> {
    const link = await connectLink(
      {
        servers: [this.server.address],
        name: 'test',
        ...(typeof user === 'string'
          ? { user: this.options.users[user], tls: () => this.options.tls }
          : { tls: () => user }),
        ...(inboxOf === undefined ? {} : { inboxPrefix: subjects.inboxPrefix(inboxOf) }),
      },
      () => {},
      AbortSignal.timeout(patient(10_000)),
    );
    this.#connections.push(link);
    return link;
  }

  async log(): Promise<NatsLog> {
    const log = new NatsLog({
      link: await this.link('log'),
      onError: (error) => this.lines.push(`tail ${error.message}`),
    });
    await log.createIfMissing();
    return log;
  }

  async serveAuth(overrides: Partial<AuthOptions> = {}): Promise<void> {
    const link = await this.link('auth');
    serveAuth(link, {
      issuer: this.issuer,
      clusterId: this.pki.clusterId,
      roots: () => trustRoots(this.pki.roots),
      isRevoked: (nodeId) => this.revoked.has(nodeId),
      now: () => Date.now(),
      onDenied: (denial) => this.denials.push(denial),
      ...overrides,
    });
    await link.connection().flush();
  }

  /** A node's connection to the bus, by certificate. Rejects after `timeoutMs` without success. */
  async connect(nodeId: string, role: Role, timeoutMs = patient(10_000)): Promise<BusConnection> {
    return this.connectWith(nodeId, this.pki.identity(nodeId, role), timeoutMs);
  }

  async connectWith(nodeId: string, tls: TlsMaterial, timeoutMs: number): Promise<BusConnection> {
    const bus = await connectBus({
      servers: [this.server.address],
      name: nodeId,
      tls: () => tls,
      inboxPrefix: subjects.inboxPrefix(nodeId),
      onError: (error, subject) => this.lines.push(`bus ${subject} ${error.message}`),
      signal: AbortSignal.timeout(timeoutMs),
    });
    this.#connections.push(bus);
    return bus;
  }

  /** Lets somebody try to connect until the cluster's own check has refused him. */
  async denied(tls: TlsMaterial): Promise<Denial> {
    const stop = new AbortController();
    const options = { servers: [this.server.address], name: 'denied', tls: () => tls };
    const connecting = connectLink(options, () => {}, stop.signal);
    for (;;) {
      const [denial] = this.denials;
      if (denial === undefined) {
        await sleep(2);
        continue;
      }
      stop.abort(new Error('denied'));
      await connecting.catch(() => {});
      return denial;
    }
  }

  /** Resolves when the server has logged this. */
  async said(text: string): Promise<void> {
    await until(
      () => this.lines.some((line) => line.includes(text)),
      10_000,
      `"${text}" in the log`,
    );
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) await connection.close();
    await this.server.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

function connectionIs(
  connection: Pick<BusConnection, 'isConnected' | 'onConnection'>,
  wanted: boolean,
): Promise<void> {
  return new Promise((resolve) => {
    if (connection.isConnected() === wanted) return resolve();
    const stop = connection.onConnection((isConnected) => {
      if (isConnected !== wanted) return;
      stop();
      resolve();
    });
  });
}
