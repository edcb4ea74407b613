import { strict as assert } from 'node:assert';
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Node, Service } from '../../domain/model/objects.ts';
import type { Placement, ServiceSpec } from '../../domain/model/spec.ts';
import { type Pass, Scheduler } from '../../domain/schedule/schedule.ts';
import type { Change } from '../../domain/store/changes.ts';
import { Store } from '../../domain/store/store.ts';
import { median } from './statistics.ts';

const nodes = 1_000;
const zones = 10;
const warmUps = 3;
const GiB = 1024 ** 3;
/** The small ones more often: a single pause of the machine weighs more there. */
const sizes = [
  { name: 's1k', tasks: 1_000, rounds: 51 },
  { name: 's10k', tasks: 10_000, rounds: 21 },
  { name: 's100k', tasks: 100_000, rounds: 9 },
] as const;

/**
 * The pure scheduler, from a store with every task still pending to the list of changes, in seconds: 1,000 nodes, and
 * services with constraints, reservations, platforms, spread preferences and host ports. What it answers is checked.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const { name, tasks, rounds } of sizes) {
    const store = cluster(tasks);
    // What the sizes before left behind, and the compiler's work, are not this one's.
    collectGarbage();
    for (let i = 0; i < warmUps; i++) pass(store);
    const times: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const start = performance.now();
      const made = pass(store);
      times.push((performance.now() - start) / 1_000);
      assert.equal(made.changes.length, tasks);
      progress(`${tasks} tasks, round ${round}/${rounds}: ${times.at(-1)?.toFixed(3)} s`);
      if (round === rounds) check(store, made);
    }
    figures[name] = Number(median(times).toFixed(4));
  }
  return figures;
}

/** One pass over the state as it is, without a limit. */
const pass = (store: Store): Pass =>
  new Scheduler(store).pass(store, { now: 1_000 }, Number.POSITIVE_INFINITY);

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

interface Kind {
  readonly name: string;
  readonly placement: Placement;
  /** What the constraints say, told apart from the product's own reading of them. */
  readonly eligible: (node: Node) => boolean;
  readonly memoryBytes: number;
  readonly port?: number;
}

const isSsd = (node: Node): boolean => node.spec.Labels['disk'] === 'ssd';
const kinds: readonly Kind[] = [
  { name: 'plain', placement: {}, eligible: () => true, memoryBytes: 0 },
  {
    name: 'ssd',
    placement: { Constraints: ['node.labels.disk == ssd', 'node.role == worker'] },
    eligible: isSsd,
    memoryBytes: GiB / 8,
  },
  {
    name: 'elsewhere',
    placement: {
      Constraints: ['node.labels.zone != zone-3'],
      Platforms: [{ OS: 'linux', Architecture: 'amd64' }],
    },
    eligible: (node) => node.spec.Labels['zone'] !== 'zone-3',
    memoryBytes: GiB / 8,
  },
  {
    name: 'zoned',
    placement: { Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }] },
    eligible: () => true,
    memoryBytes: GiB / 16,
  },
  {
    name: 'ports',
    placement: { Constraints: ['node.labels.disk == hdd'], MaxReplicas: 1 },
    eligible: (node) => !isSsd(node),
    memoryBytes: GiB / 16,
    port: 8_080,
  },
];

/** Half of the tasks are one service's; the others come in services of 100. One service of all uses a host port. */
function cluster(tasks: number): Store {
  const changes: Change[] = [];
  for (let i = 0; i < nodes; i++) changes.push({ op: 'put', kind: 'node', object: node(i) });
  const half = tasks / 2;
  addService(changes, 'large', kinds[0] as Kind, half);
  addService(changes, 'ports', kinds[4] as Kind, 100);
  for (let i = 0, left = half - 100; left > 0; i++, left -= 100)
    addService(changes, `small-${i}`, kinds[i % 4] as Kind, 100);
  const store = new Store();
  store.apply({ index: 1, at: 0, changes });
  return store;
}

function node(i: number): Omit<Node, 'meta'> {
  return {
    id: `node${String(i).padStart(21, '0')}`,
    role: 'worker',
    spec: {
      Role: 'worker',
      Availability: 'active',
      Labels: { zone: `zone-${i % zones}`, disk: i % 20 < 10 ? 'ssd' : 'hdd' },
    },
    status: { state: 'ready', message: '', addr: `10.0.${i >> 8}.${i & 255}` },
    description: {
      hostname: `host-${i}`,
      platform: { os: 'linux', architecture: 'x86_64' },
      resources: { nanoCpus: 64e9, memoryBytes: 24 * GiB },
      engine: { version: '28.5.2', labels: {}, plugins: [] },
    },
  };
}

function addService(changes: Change[], name: string, kind: Kind, replicas: number): void {
  const id = `svc-${name}`;
  const spec: ServiceSpec = {
    Name: name,
    Labels: { kind: kind.name },
    Mode: { Replicated: { Replicas: replicas } },
    TaskTemplate: {
      ContainerSpec: { Image: 'app:1' },
      Resources: { Reservations: { MemoryBytes: kind.memoryBytes, NanoCPUs: 1e8 } },
      Placement: kind.placement,
      ForceUpdate: 0,
    },
    ...(kind.port !== undefined && {
      EndpointSpec: {
        Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: kind.port, PublishMode: 'host' }],
      },
    }),
  };
  const service: Omit<Service, 'meta'> = { id, spec, specVersion: 1 };
  changes.push({ op: 'put', kind: 'service', object: service });
  for (let slot = 1; slot <= replicas; slot++)
    changes.push({
      op: 'put',
      kind: 'task',
      object: {
        id: `${id}-${slot}`,
        serviceId: id,
        slot,
        nodeId: '',
        spec: spec.TaskTemplate,
        specVersion: 1,
        serviceName: name,
        serviceLabels: spec.Labels,
        ...(spec.EndpointSpec !== undefined && { endpoint: spec.EndpointSpec }),
        status: { state: 'pending', at: 0, message: 'pending task scheduling' },
        desired: 'running',
      },
    });
}

function check(before: Store, pass: Pass): void {
  assert.equal(before.count('task'), pass.changes.length);
  const store = before.clone();
  store.apply({ index: 2, at: 1_000, changes: pass.changes });
  for (const host of store.list('node')) checkNode(store, host);
  for (const service of store.list('service')) checkSpread(store, service);
}

const kindOf = (service: Service | undefined): Kind => {
  const kind = kinds.find(({ name }) => name === service?.spec.Labels['kind']);
  assert(kind !== undefined);
  return kind;
};

function checkNode(store: Store, host: Node): void {
  let memory = 0;
  let cpus = 0;
  const ports = new Set<number>();
  for (const task of store.tasksOfNode(host.id)) {
    const kind = kindOf(store.service(task.serviceId));
    assert.equal(task.status.state, 'assigned');
    assert(kind.eligible(host), `${task.id} must not run on ${host.id}`);
    memory += kind.memoryBytes;
    cpus += 1e8;
    if (kind.port === undefined) continue;
    assert(!ports.has(kind.port), `port ${kind.port} twice on ${host.id}`);
    ports.add(kind.port);
  }
  assert(memory <= (host.description?.resources.memoryBytes ?? 0), `${host.id}: memory`);
  assert(cpus <= (host.description?.resources.nanoCpus ?? 0), `${host.id}: processors`);
}

/** Every eligible node has room, so each service must be spread within one task, and over zones too where asked. */
function checkSpread(store: Store, service: Service): void {
  const kind = kindOf(service);
  const perNode = new Map<string, number>();
  const perZone = new Map<string, number>();
  for (const host of store.list('node'))
    if (kind.eligible(host)) {
      perNode.set(host.id, 0);
      perZone.set(host.spec.Labels['zone'] ?? '', 0);
    }
  for (const task of store.tasksOfService(service.id)) {
    const zone = store.node(task.nodeId)?.spec.Labels['zone'] ?? '';
    perNode.set(task.nodeId, (perNode.get(task.nodeId) ?? 0) + 1);
    perZone.set(zone, (perZone.get(zone) ?? 0) + 1);
  }
  assert(range(perNode) <= 1, `${service.id} is spread unevenly over nodes`);
  if (kind.name === 'zoned') assert(range(perZone) <= 1, `${service.id} unevenly over zones`);
}

const range = (counts: ReadonlyMap<string, number>): number =>
  Math.max(...counts.values()) - Math.min(...counts.values());
