import { nodeReady, nodesSilent } from '../../../domain/assign/node-status.ts';
import { limits } from '../../../domain/limits.ts';
import type {
  Node,
  NodeDescription,
  Service,
  Task,
  TaskStatus,
} from '../../../domain/model/objects.ts';
import type { ServiceSpec, TaskSpec } from '../../../domain/model/spec.ts';
import { planNode } from '../../../domain/orchestrate/plan-node.ts';
import { planService } from '../../../domain/orchestrate/plan-service.ts';
import type { Plan } from '../../../domain/orchestrate/plan.ts';
import { Scheduler } from '../../../domain/schedule/schedule.ts';
import type { Applied, Change } from '../../../domain/store/changes.ts';
import { Store } from '../../../domain/store/store.ts';
import { isTerminal, taskStateRank } from '../../../domain/task-state.ts';

export const seconds = 1e9;

/** What a container does: what it fails at, or how long it runs before it ends with which state. */
export type Fate =
  | { readonly fails: 'preparing' | 'starting' }
  | { readonly runsMs: number; readonly ends: 'complete' | 'failed' };
export const forever: Fate = { runsMs: Number.POSITIVE_INFINITY, ends: 'complete' };

type SpecPatch = Partial<Omit<ServiceSpec, 'TaskTemplate'>> & {
  readonly task?: Partial<TaskSpec>;
  readonly image?: string;
};

/** A cluster in one thread with a virtual clock: the store, the leader's plans, and agents that obey at once. */
export class World {
  readonly store = new Store();
  readonly scheduler: Scheduler;
  now = 1_000_000;
  /** Of a task when it is assigned. */
  fate: (task: Task) => Fate = () => forever;
  /** How long a container takes to stop. */
  stopMs: (task: Task) => number = () => 0;
  /** How many of a plan's changes are written; the leader dies then. */
  cut: (plan: Plan) => number = (plan) => plan.changes.length;
  onPlan: (plan: Plan, serviceId: string, written: number) => void = () => {};
  onApplied: (applied: readonly Applied[]) => void = () => {};
  #ids = 0;
  #index = 0;
  readonly #stops = new Map<string, number>();

  constructor(nodes = 1) {
    this.scheduler = new Scheduler(this.store);
    for (let i = 1; i <= nodes; i++) this.addNode(`n${i}`);
  }

  readonly newId = (): string => `t${String(++this.#ids).padStart(6, '0')}`;

  apply(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    const applied = this.store.apply({ index: ++this.#index, at: this.now, changes });
    this.scheduler.observe(applied);
    this.onApplied(applied);
  }

  addNode(id: string, labels: Record<string, string> = {}): void {
    const object: Omit<Node, 'meta'> = {
      id,
      role: 'worker',
      spec: { Labels: labels, Role: 'worker', Availability: 'active' },
      status: { state: 'ready', message: '', addr: '10.0.0.1' },
      description: {
        hostname: id,
        platform: { os: 'linux', architecture: 'x86_64' },
        resources: { nanoCpus: 8e9, memoryBytes: 16e9 },
        engine: { version: '28.5.2', labels: {}, plugins: [] },
      },
    };
    this.apply([{ op: 'put', kind: 'node', object }]);
  }

  node(
    id: string,
    fields: { spec?: Partial<Node['spec']>; state?: Node['status']['state'] },
  ): void {
    const node = this.store.node(id) as Node;
    const spec = { ...node.spec, ...fields.spec };
    const status = { ...node.status, state: fields.state ?? node.status.state };
    this.apply([{ op: 'patch', kind: 'node', id, fields: { spec, status } }]);
    this.apply(planNode(this.store, id, this.ctx()).changes);
  }

  /** The leader hears these nodes no more: it declares them down one after the other. */
  lose(...ids: readonly string[]): void {
    for (const id of ids)
      this.apply(nodesSilent(this.store, [id], this.now, (other) => ids.includes(other)));
  }

  /** The nodes say hello again. */
  back(...ids: readonly string[]): void {
    for (const id of ids) {
      const description = this.store.node(id)?.description as NodeDescription;
      this.apply(nodeReady(this.store, id, description, this.now));
    }
  }

  create(id: string, patch: SpecPatch = {}): void {
    const spec = merge(baseSpec(id), patch);
    this.apply([{ op: 'put', kind: 'service', object: { id, spec, specVersion: 1 } }]);
  }

  /** As the update command does. */
  update(id: string, patch: SpecPatch): void {
    const { spec, specVersion } = this.service(id);
    const fields = {
      spec: merge(spec, patch),
      previousSpec: spec,
      specVersion: specVersion + 1,
      updateStatus: undefined,
      updateProgress: undefined,
    };
    this.apply([{ op: 'patch', kind: 'service', id, fields }]);
  }

  /** As `docker service rollback` does. */
  rollback(id: string): void {
    const { spec, specVersion, previousSpec } = this.service(id);
    if (previousSpec === undefined) throw new Error('no previous spec');
    const fields = {
      spec: previousSpec,
      previousSpec: spec,
      specVersion: specVersion + 1,
      updateStatus: {
        state: 'rollback_started',
        message: 'manually requested rollback',
        startedAt: this.now,
      },
      updateProgress: undefined,
    } as const;
    this.apply([{ op: 'patch', kind: 'service', id, fields }]);
  }

  service(id: string): Service {
    return this.store.service(id) as Service;
  }

  tasks(serviceId: string): Task[] {
    return [...this.store.tasksOfService(serviceId)];
  }

  ctx() {
    return { now: this.now, newId: this.newId };
  }

  /** Plans once and applies it. */
  plan(serviceId: string): Plan {
    const plan = planService(this.store, serviceId, this.ctx());
    if (plan.changes.length > limits.planChangesMax) throw new Error('too large a plan');
    const written = this.cut(plan);
    this.apply(plan.changes.slice(0, written));
    this.onPlan(plan, serviceId, written);
    return plan;
  }

  /** Reports a status as an agent does. */
  report(task: Task, state: TaskStatus['state']): void {
    const status = { state, at: this.now, message: state };
    const runningAt = task.runningAt ?? (state === 'running' ? this.now : undefined);
    const fields = { status, ...(runningAt !== undefined && { runningAt }) };
    this.apply([{ op: 'patch', kind: 'task', id: task.id, fields }]);
  }

  /** Plans, schedules and lets agents work until nothing more happens at this time. Answers when something will. */
  settle(): number {
    for (let round = 0; ; round++) {
      if (round > 200) throw new Error('does not settle');
      const index = this.#index;
      let next = Number.POSITIVE_INFINITY;
      const ids = new Set<string>();
      for (const service of this.store.list('service')) ids.add(service.id);
      for (const task of this.store.list('task')) ids.add(task.serviceId);
      for (const id of ids) next = Math.min(next, this.plan(id).wakeAt ?? next);
      for (const { id } of this.store.list('node')) next = Math.min(next, this.#planNode(id));
      this.apply(this.scheduler.pass(this.store, this.ctx()).changes);
      next = Math.min(next, this.#work());
      if (this.#index === index && next > this.now) return next;
    }
  }

  /** Goes from event to event for `ms`. */
  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.settle();
      if (next > end) break;
      this.now = next;
    }
    this.now = end;
    this.settle();
  }

  #planNode(id: string): number {
    const plan = planNode(this.store, id, this.ctx());
    this.apply(plan.changes);
    return plan.wakeAt ?? Number.POSITIVE_INFINITY;
  }

  /** One step of every agent; answers when the next one is due. */
  #work(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const task of this.store.list('task')) next = Math.min(next, this.#step(task));
    return next;
  }

  #step(task: Task): number {
    const { state } = task.status;
    const never = Number.POSITIVE_INFINITY;
    if (isTerminal(state) || taskStateRank[state] < taskStateRank.assigned) return never;
    if (this.store.node(task.nodeId)?.status.state !== 'ready') return never;
    const fate = this.fate(task);
    if (task.desired === 'shutdown' || task.desired === 'remove') return this.#stop(task);
    const next = this.#advance(task, fate);
    if (next === undefined) return 'fails' in fate ? never : this.#live(task, fate);
    if (next === state) return never;
    this.report(task, next);
    return this.now;
  }

  /** The state that follows; undefined when the container runs. */
  #advance({ status: { state }, desired }: Task, fate: Fate): TaskStatus['state'] | undefined {
    const fails = 'fails' in fate ? fate.fails : undefined;
    if (state === 'assigned') return 'preparing';
    if (state === 'preparing') return fails === 'preparing' ? 'rejected' : 'ready';
    if (state === 'ready') return desired === 'running' ? 'starting' : 'ready';
    if (state === 'starting') return fails === undefined ? 'running' : 'failed';
    return undefined;
  }

  #live(task: Task, fate: Extract<Fate, { runsMs: number }>): number {
    const endsAt = (task.runningAt ?? this.now) + fate.runsMs;
    if (endsAt <= this.now) this.report(task, fate.ends);
    return endsAt;
  }

  #stop(task: Task): number {
    const at = this.#stops.get(task.id) ?? this.now + this.stopMs(task);
    this.#stops.set(task.id, at);
    if (at <= this.now) this.report(task, 'shutdown');
    return at;
  }
}

const baseSpec = (name: string): ServiceSpec => ({
  Name: name,
  Labels: {},
  Mode: { Replicated: { Replicas: 1 } },
  TaskTemplate: { ContainerSpec: { Image: 'app:1' }, ForceUpdate: 0 },
});

function merge(spec: ServiceSpec, { task, image, ...rest }: SpecPatch): ServiceSpec {
  const ContainerSpec = {
    ...spec.TaskTemplate.ContainerSpec,
    ...task?.ContainerSpec,
    ...(image !== undefined && { Image: image }),
  };
  return { ...spec, ...rest, TaskTemplate: { ...spec.TaskTemplate, ...task, ContainerSpec } };
}

export const replicas = (count: number) => ({ Mode: { Replicated: { Replicas: count } } });

/** `slot state/desired image`, oldest first within a slot. */
export const show = (tasks: readonly Task[]): string[] =>
  tasks
    .map((t) => ({ t, place: t.slot > 0 ? `${t.slot}` : t.nodeId }))
    .sort((a, b) => a.place.localeCompare(b.place))
    .map(({ t, place }) => `${place} ${t.status.state}/${t.desired} ${t.spec.ContainerSpec.Image}`);

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
