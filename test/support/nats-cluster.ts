import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterOptions } from '../../bus/nats/config.ts';
import { connectLink, type Link } from '../../bus/nats/link.ts';
import { NatsLog } from '../../bus/nats/log.ts';
import {
  type NatsServer,
  pinOf,
  type ServerOptions,
  startServer,
  waitForJetStream,
} from '../../bus/nats/server.ts';
import { createOwnUsers } from '../../bus/nats/users.ts';
import { createNKey } from '../../pki/mod.ts';
import { freePort } from './free-port.ts';
import { natsServerBinary, TestPki } from './nats.ts';

/** A manager's server, and the daemon's own connections to it. */
export interface Member {
  readonly options: ServerOptions & { readonly cluster: ClusterOptions };
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
    const all = plans.map((plan) => plan.cluster as ClusterOptions);
    await Promise.all(
      plans.map((plan) => cluster.launch({ ...plan, cluster: linked(plan.cluster, all) })),
    );
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
        pinnedCerts: [pinOf(tls.cert)],
      },
      ...overrides,
    };
  }

  async launch(plan: ServerOptions): Promise<Member> {
    const lines: string[] = [];
    const options = {
      ...plan,
      log: (level: string, line: string) => lines.push(`${level} ${line}`),
    } as Member['options'];
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

  /** A further manager: every server is told of it, then it is started. */
  async grow(nodeId: string): Promise<Member> {
    const plan = await this.plan(nodeId);
    const all = [
      ...this.members.map(({ options }) => options.cluster),
      plan.cluster as ClusterOptions,
    ];
    await this.#reload(all);
    return this.launch({ ...plan, cluster: linked(plan.cluster, all) });
  }

  /** Takes a server out of the others' routes and pins. It goes on running. */
  async unpin(member: Member): Promise<void> {
    this.members.splice(this.members.indexOf(member), 1);
    this.#left.push(member);
    await this.#reload(this.members.map(({ options }) => options.cluster));
  }

  async #reload(all: readonly ClusterOptions[]): Promise<void> {
    for (const member of this.members) {
      const cluster = linked(member.options.cluster, all);
      await member.server.reload(member.options.tls, cluster);
      Object.assign(member.options, { cluster });
    }
  }

  async kill(member: Member): Promise<void> {
    process.kill(member.server.pid, 'SIGKILL');
    await member.server.exited;
  }

  /** The server again on the same store, and its links connected. */
  async restart(member: Member): Promise<void> {
    member.server = await startServer(member.options);
    for (const link of [member.log, member.system]) while (!link.isConnected()) await sleep(2);
  }

  async formed(): Promise<void> {
    await Promise.all(
      this.members.map(({ log }) => waitForJetStream(log, AbortSignal.timeout(60_000))),
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

/** A server's options, with the others as routes and everybody's pins. */
function linked(own: ClusterOptions | undefined, all: readonly ClusterOptions[]): ClusterOptions {
  if (own === undefined) throw new Error('not in a cluster');
  const others = all.filter(({ port }) => port !== own.port);
  const pins = all.map(
    ({ pinnedCerts, port }) => (port === own.port ? own : { pinnedCerts }).pinnedCerts[0] ?? '',
  );
  return { ...own, routes: others.map(({ host, port }) => `${host}:${port}`), pinnedCerts: pins };
}

function ownLink(
  options: ServerOptions,
  server: NatsServer,
  user: 'log' | 'system',
): Promise<Link> {
  return connectLink(
    { servers: [server.address], name: 'test', user: options.users[user], tls: () => options.tls },
    () => {},
    AbortSignal.timeout(10_000),
  );
}
