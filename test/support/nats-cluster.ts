import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterOptions } from '../../bus/nats/config.ts';
import { connectLink, type Link } from '../../bus/nats/link.ts';
import { NatsLog } from '../../bus/nats/log.ts';
import {
  type NatsServer,
  type ServerOptions,
  startServer,
  waitForJetStream,
} from '../../bus/nats/server.ts';
import { createOwnUsers } from '../../bus/nats/users.ts';
import { createNKey, publicKeyPin } from '../../pki/mod.ts';
import { until } from './engine.ts';
import { freePort } from './free-port.ts';
import { patient } from './patience.ts';
import { natsServerBinary, TestPki } from './nats.ts';

type Clustered = ServerOptions & { readonly cluster: ClusterOptions };

/** A manager's server, and the daemon's own connections to it. */
export interface Member {
  options: Clustered;
  readonly lines: string[];
  server: NatsServer;
  log: Link;
  system: Link;
  stateLog: NatsLog;
}

/** Managers' servers on loopback ports, linked by routes; stores and run directories in a temporary folder. */
export class TestCluster {
  readonly pki = new TestPki();
  readonly members: Member[] = [];
  readonly dir: string;
  readonly name: string;
  readonly #issuer = createNKey('account');
  readonly #left: Member[] = [];

  constructor(dir: string, name: string) {
    this.dir = dir;
    this.name = name;
  }

  static async start(size: number, name = 'testcluster-1'): Promise<TestCluster> {
    const cluster = new TestCluster(await mkdtemp(join(tmpdir(), 'natswarm-cluster-')), name);
    const plans: ServerOptions[] = [];
    for (let n = 0; n < size; n++) plans.push(await cluster.plan(`manager${n + 1}`));
    await Promise.all(plans.map((plan) => cluster.launch(linked(plan, plans))));
    cluster.members.sort((a, b) => a.options.nodeId.localeCompare(b.options.nodeId));
    return cluster;
  }

  /** Options of a server that is not started; it knows no other and is pinned nowhere. */
  async plan(nodeId: string, overrides: Partial<ServerOptions> = {}): Promise<ServerOptions> {
    const tls = overrides.tls ?? this.pki.identity(nodeId, 'manager');
    const dir = join(this.dir, `${nodeId}-${await freePort()}`);
    return {
      binary: natsServerBinary(),
      runDir: join(dir, 'run'),
      storeDir: join(dir, 'store'),
      storeKey: Buffer.alloc(32, 7),
      nodeId,
      host: '127.0.0.1',
      port: await freePort(),
      tls,
      issuer: this.#issuer.publicKey,
      users: createOwnUsers(),
      log: () => {},
      cluster: {
        name: this.name,
        host: '127.0.0.1',
        port: await freePort(),
        routes: [],
        pinnedCerts: [publicKeyPin(tls.cert)],
      },
      ...overrides,
    };
  }

  async launch(plan: Clustered): Promise<Member> {
    const lines: string[] = [];
    const options: Clustered = {
      ...plan,
      log: (level, line) => lines.push(`${level} ${line}`),
    };
    const server = await startServer(options);
    const log = await ownLink(options, server, 'log');
    const system = await ownLink(options, server, 'system');
    const stateLog = new NatsLog({
      link: log,
      onError: (error) => lines.push(`tail ${error.message}`),
    });
    const member: Member = { options, lines, server, log, system, stateLog };
    this.members.push(member);
    return member;
  }

  /** A server that knows all of these, and that none of them was told of. */
  async launchOutside(plan: ServerOptions, all: readonly ServerOptions[]): Promise<Member> {
    const member = await this.launch(linked(plan, [...all, plan]));
    this.#left.push(member);
    this.members.splice(this.members.indexOf(member), 1);
    return member;
  }

  /** A further manager: every server is told of it, then it is started. */
  async grow(nodeId: string): Promise<Member> {
    const plan = await this.plan(nodeId);
    const all = [...this.members.map(({ options }) => options), plan];
    await this.reload(all);
    return this.launch(linked(plan, all));
  }

  /** Takes a server out of the others' routes and pins. It goes on running. */
  async unpin(member: Member): Promise<void> {
    this.members.splice(this.members.indexOf(member), 1);
    this.#left.push(member);
    await this.reload(this.members.map(({ options }) => options));
  }

  /** Tells every server of the managers of now. */
  async reload(all: readonly ServerOptions[]): Promise<void> {
    for (const member of this.members) {
      member.options = linked(member.options, all);
      await member.server.reload(member.options.tls, member.options.cluster);
    }
  }

  async kill(member: Member): Promise<void> {
    process.kill(member.server.pid, 'SIGKILL');
    await member.server.exited;
  }

  /** The server again on the same store, and its links connected. */
  async restart(member: Member): Promise<void> {
    member.server = await startServer(member.options);
    for (const link of [member.log, member.system])
      await until(() => link.isConnected(), 30_000, 'a connection');
  }

  async formed(): Promise<void> {
    await Promise.all(
      this.members.map(({ log }) => waitForJetStream(log, AbortSignal.timeout(patient(60_000)))),
    );
  }

  member(serverName: string | undefined): Member {
    const found = this.members.find(({ server }) => server.name === serverName);
    if (found === undefined) throw new Error(`no server ${serverName}`);
    return found;
  }

  async stop(): Promise<void> {
    for (const { log, system, server } of [...this.members, ...this.#left]) {
      await log.close();
      await system.close();
      await server.stop();
    }
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Options of a server that knows all of them, itself among them. */
function linked(own: ServerOptions, all: readonly ServerOptions[]): Clustered {
  const clusters = all.map(clusterOf).filter(({ port }) => port !== clusterOf(own).port);
  const routes = clusters.map(({ host, port }) => `${host}:${port}`);
  const pinnedCerts = all.map(({ tls }) => publicKeyPin(tls.cert));
  return { ...own, cluster: { ...clusterOf(own), routes, pinnedCerts } };
}

function clusterOf({ cluster }: ServerOptions): ClusterOptions {
  if (cluster === undefined) throw new Error('not in a cluster');
  return cluster;
}

function ownLink(
  options: ServerOptions,
  server: NatsServer,
  user: 'log' | 'system',
): Promise<Link> {
  return connectLink(
    { servers: [server.address], name: 'test', user: options.users[user], tls: () => options.tls },
    () => {},
    AbortSignal.timeout(patient(10_000)),
  );
}
