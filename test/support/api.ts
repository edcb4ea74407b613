import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogStatus } from '../../domain/members/log-status.ts';
import type { LogChunk, LogOptions } from '../../actors/agent/ports.ts';
import type { NodeTree } from '../../actors/manager/trees.ts';
import type { LogReading, NodeAway } from '../../actors/manager/task-logs.ts';
import type { LocalState, Swarm } from '../../api/ports.ts';
import type { InitRequest, JoinRequest } from '../../domain/members/requests.ts';
import { type Api, createApi } from '../../api/server.ts';
import { daemonFault } from '../../domain/errors.ts';
import type { Cluster, Node, Service, Task } from '../../domain/model/objects.ts';
import { clusterDefaults } from '../../domain/spec/cluster.ts';
import { convertServiceSpec } from '../../domain/spec/service.ts';
import type { Applied, Change } from '../../domain/store/changes.ts';
import type { TreeRow } from '../../bus/tree-bodies.ts';
import { Store } from '../../domain/store/store.ts';
import type { View } from '../../domain/store/view.ts';

export const wall = Date.UTC(2026, 10, 23, 17, 59, 48, 120);
export const nodeId = 'node1'.padEnd(25, '0');
export const serviceId = 'svc1'.padEnd(25, '0');
export const taskId = 'task1'.padEnd(25, '0');
const meta = { version: 7, createdAt: wall, updatedAt: wall };

export const spec = (input: object) =>
  convertServiceSpec(
    { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'natswarm-web:1' } }, ...input },
    { apiVersion: '', newName: () => 'unnamed' },
  );

export const aNode = (more: Partial<Node> = {}): Node => ({
  id: nodeId,
  meta,
  spec: { Labels: { zone: 'a' }, Role: 'manager', Availability: 'active' },
  role: 'manager',
  description: {
    hostname: 'host1',
    platform: { architecture: 'x86_64', os: 'linux' },
    resources: { nanoCpus: 2e9, memoryBytes: 4e9 },
    engine: {
      version: '28.5.2',
      labels: { disk: 'ssd' },
      plugins: [
        { type: 'Volume', name: 'local' },
        { type: 'Log', name: 'json-file' },
      ],
    },
    tls: { trustRoot: 'PEM', issuerSubject: 'c3ViamVjdA==', issuerPublicKey: 'a2V5' },
  },
  status: { state: 'ready', message: '', addr: '10.0.0.1' },
  manager: { addr: '10.0.0.1:2377', bus: '', route: '', reachability: 'reachable' },
  ...more,
});

export const aService = (more: Partial<Service> = {}): Service => ({
  id: serviceId,
  meta,
  spec: spec({ Labels: { team: 'red' } }),
  specVersion: 1,
  ...more,
});

export const aTask = (more: Partial<Task> = {}): Task => ({
  id: taskId,
  meta,
  serviceId,
  slot: 1,
  nodeId,
  spec: aService().spec.TaskTemplate,
  specVersion: 1,
  serviceName: 'web',
  serviceLabels: { team: 'red' },
  status: {
    state: 'running',
    at: wall,
    message: 'started',
    container: { id: 'c1', pid: 42, exitCode: 0 },
  },
  desired: 'running',
  ...more,
});

export const aCluster = (): Cluster => ({
  id: 'cluster1'.padEnd(25, '0'),
  meta,
  spec: clusterDefaults,
  rootCa: { certPem: 'PEM', keyPem: 'SECRET-KEY', tokens: { worker: 'W', manager: 'M' } },
  busIssuerSeed: 'SECRET-SEED',
  defaultAddrPool: ['10.0.0.0/8'],
  subnetSize: 24,
  dataPathPort: 4789,
});

export const tlsInfo = (certPem: string) => ({
  TrustRoot: certPem,
  CertIssuerSubject: 'c3ViamVjdA==',
  CertIssuerPublicKey: 'a2V5',
});

export const notManager =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

const aRow: TreeRow = {
  address: 'agent/tasks',
  supervisor: 'agent',
  state: 'active',
  forMs: 1_500,
  restarts: 1,
  lastError: 'no such thing',
  mailbox: 2,
};

/** A swarm in memory, without a manager behind it: it records commands and answers them with `answer`. */
export class FakeSwarm implements Swarm {
  readonly store: Store;
  readonly commands: { readonly name: string; readonly body: unknown }[] = [];
  readonly inits: InitRequest[] = [];
  answer: (name: string, body: unknown) => unknown = () => ({ warnings: null });
  logs: (
    task: Task,
    options: LogOptions,
    scope: AbortSignal,
  ) => AsyncIterable<LogChunk | NodeAway> = async function* () {};
  state: LocalState['state'] = 'active';
  readonly #watchers = new Set<(changes: readonly Applied[]) => void>();

  constructor(objects: { service?: Service[]; task?: Task[]; node?: Node[] } = {}) {
    const { service = [aService()], task = [aTask()], node = [aNode()] } = objects;
    this.store = Store.load(7, { cluster: [aCluster()], node, service, task });
  }

  apply(...changes: Change[]): void {
    const applied = this.store.apply({ index: this.store.index + 1, at: wall, changes });
    for (const watcher of this.#watchers) watcher(applied);
  }
  get watchers(): number {
    return this.#watchers.size;
  }

  local(): LocalState {
    const active = this.state === 'active';
    return {
      state: this.state,
      nodeId: active ? nodeId : '',
      nodeAddr: active ? '10.0.0.1' : '',
      manager: active,
      error: '',
      remoteManagers: active ? [{ nodeId, addr: '10.0.0.1:2377' }] : [],
    };
  }
  init(request: InitRequest): Promise<string> {
    this.inits.push(request);
    return Promise.resolve(nodeId);
  }
  join(request: JoinRequest): Promise<void> {
    this.commands.push({ name: 'join', body: request });
    return Promise.resolve();
  }
  leave(force: boolean): Promise<void> {
    this.commands.push({ name: 'leave', body: { force } });
    return Promise.resolve();
  }
  unlock(unlockKey: string): Promise<void> {
    this.commands.push({ name: 'unlock', body: { unlockKey } });
    return Promise.reject(daemonFault('AlreadyExists', 'swarm is not locked'));
  }
  backup(): Promise<Uint8Array> {
    return Promise.resolve(Buffer.from('a backup'));
  }
  async command(name: string, body: unknown): Promise<unknown> {
    await this.read();
    this.commands.push({ name, body });
    return this.answer(name, body);
  }
  read(): Promise<View> {
    if (this.state !== 'active') return Promise.reject(daemonFault('Unavailable', notManager));
    return Promise.resolve(this.store);
  }
  leaderId(): string {
    return nodeId;
  }
  logStatus(): Promise<LogStatus> {
    const survey = { replicas: 1, servers: [], leader: nodeId };
    return Promise.resolve({ generation: 2, form: 'several', index: 7, featureLevel: 1, survey });
  }
  follow(): Promise<void> {
    return this.command('follow', {}).then(() => undefined);
  }
  leadLogFrom(to: string): Promise<void> {
    return this.command('lead log', to).then(() => undefined);
  }
  tree(): NodeTree {
    return { nodeId: this.local().nodeId, rows: [aRow], left: 0 };
  }
  trees(ids: readonly string[]): Promise<readonly NodeTree[]> {
    return Promise.resolve(ids.map((id) => ({ nodeId: id, rows: [aRow], left: 3 })));
  }
  watch(listener: (changes: readonly Applied[]) => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }
  taskLogs({ task, options, scope }: LogReading): AsyncIterable<LogChunk | NodeAway> {
    return this.logs(task, options, scope);
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** One request over the socket. `body` other than text is sent as JSON. */
export function ask(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const data = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const all = {
    ...(data === undefined ? {} : { 'Content-Type': 'application/json' }),
    ...(data === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(data)) }),
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const req = request({ socketPath, method, path, headers: all, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () =>
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    req.on('error', reject);
    req.end(data);
  });
}

/** Writes raw bytes, answers with all that comes back until the connection ends. */
export async function raw(socketPath: string, ...pieces: readonly string[]): Promise<string> {
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  socket.on('error', () => undefined);
  for (const piece of pieces) socket.write(piece);
  await once(socket, 'end');
  socket.destroy();
  return text;
}

export interface Front {
  readonly api: Api;
  readonly socket: string;
  readonly dir: string;
  readonly logged: { readonly event: string; readonly fields: object }[];
  stop(): Promise<void>;
}

/** The front on a socket of its own, before the engine at `engineSocket` (or none). */
export async function startFront(
  swarm: Swarm,
  engineSocket?: string,
  wallNow: () => number = () => wall,
): Promise<Front> {
  const dir = await mkdtemp(join(tmpdir(), 'natswarm-api-'));
  const socket = join(dir, 'front.sock');
  const logged: { event: string; fields: object }[] = [];
  const api = createApi({
    swarm,
    engineSocket: engineSocket ?? join(dir, 'engine.sock'),
    log: (event, fields) => logged.push({ event, fields }),
    wallNow,
    tlsInfo,
  });
  await api.listen(`unix://${socket}`);
  return {
    api,
    socket,
    dir,
    logged,
    async stop() {
      await api.close(0);
      await rm(dir, { recursive: true, force: true });
    },
  };
}
