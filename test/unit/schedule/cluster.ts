import type { Node, Task } from '../../../domain/model/objects.ts';
import type { Placement, PortConfig, TaskSpec } from '../../../domain/model/spec.ts';
import { type Pass, Scheduler } from '../../../domain/schedule/schedule.ts';
import type { Change } from '../../../domain/store/changes.ts';
import { Store } from '../../../domain/store/store.ts';

type NodeOptions = Partial<{
  labels: Record<string, string>;
  availability: Node['spec']['Availability'];
  state: Node['status']['state'];
  cpus: number;
  memory: number;
  description: Partial<NonNullable<Node['description']>>;
}>;
type TaskOptions = Partial<Omit<Task, 'spec'>> & {
  readonly spec?: Partial<TaskSpec>;
  readonly placement?: Placement;
  readonly memory?: number;
  readonly hostPort?: number;
};

/** A store with a scheduler that follows it. */
export class Cluster {
  readonly store = new Store();
  readonly scheduler = new Scheduler(this.store);
  now = 1_000;
  #index = 0;
  #ids = 0;

  apply(changes: readonly Change[]): void {
    if (changes.length > 0)
      this.scheduler.observe(this.store.apply({ index: ++this.#index, at: this.now, changes }));
  }

  node(id: string, options: NodeOptions = {}): void {
    const object: Omit<Node, 'meta'> = {
      id,
      role: 'worker',
      spec: {
        Labels: options.labels ?? {},
        Role: 'worker',
        Availability: options.availability ?? 'active',
      },
      status: { state: options.state ?? 'ready', message: '', addr: '10.0.0.1' },
      description: {
        hostname: id,
        platform: { os: 'linux', architecture: 'x86_64' },
        resources: { nanoCpus: (options.cpus ?? 8) * 1e9, memoryBytes: options.memory ?? 1_000 },
        engine: { version: '28', labels: {}, plugins: [] },
        ...options.description,
      },
    };
    this.apply([{ op: 'put', kind: 'node', object }]);
  }

  task(serviceId: string, options: TaskOptions = {}): string {
    const { spec, placement, memory, hostPort, ...rest } = options;
    const id = options.id ?? `t${String(++this.#ids).padStart(4, '0')}`;
    const port: PortConfig = {
      Protocol: 'tcp',
      TargetPort: 80,
      PublishedPort: hostPort ?? 0,
      PublishMode: 'host',
    };
    const object: Omit<Task, 'meta'> = {
      id,
      serviceId,
      slot: 1,
      nodeId: '',
      spec: {
        ContainerSpec: { Image: 'app' },
        ForceUpdate: 0,
        ...(placement !== undefined && { Placement: placement }),
        ...(memory !== undefined && { Resources: { Reservations: { MemoryBytes: memory } } }),
        ...spec,
      },
      specVersion: 1,
      serviceName: serviceId,
      serviceLabels: {},
      ...(hostPort !== undefined && { endpoint: { Ports: [port] } }),
      status: { state: 'pending', at: 0, message: 'pending task scheduling' },
      desired: 'running',
      ...rest,
    };
    this.apply([{ op: 'put', kind: 'task', object }]);
    return id;
  }

  tasks(count: number, serviceId: string, options: TaskOptions = {}): string[] {
    return Array.from({ length: count }, () => this.task(serviceId, options));
  }

  /** A task that runs on `nodeId`. */
  running(serviceId: string, nodeId: string, options: TaskOptions = {}): string {
    const status = { state: 'running', at: 0, message: 'started' } as const;
    return this.task(serviceId, { nodeId, status, ...options });
  }

  end(id: string, state: Task['status']['state']): void {
    const status = { state, at: this.now, message: state };
    this.apply([{ op: 'patch', kind: 'task', id, fields: { status } }]);
  }

  pass(changesMax?: number): Pass {
    const pass = this.scheduler.pass(this.store, { now: this.now }, changesMax);
    this.apply(pass.changes);
    return pass;
  }

  /** Tasks that wait for a node. */
  waiting(): readonly string[] {
    const tasks = [...this.store.list('task')];
    return tasks.filter(({ status }) => status.state === 'pending').map(({ id }) => id);
  }

  nodeOf(id: string): string {
    return this.store.task(id)?.nodeId ?? '';
  }

  err(id: string): string | undefined {
    return this.store.task(id)?.status.err;
  }

  /** How many tasks of the service each node has. */
  spread(serviceId: string): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const node of this.store.list('node')) counts[node.id] = 0;
    for (const task of this.store.tasksOfService(serviceId))
      if (task.nodeId !== '') counts[task.nodeId] = (counts[task.nodeId] ?? 0) + 1;
    return counts;
  }
}
