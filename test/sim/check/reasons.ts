import type { Node, Service, Task } from '../../../domain/model/objects.ts';
import { DirtyCheck } from '../../../domain/orchestrate/dirty.ts';
import { isGivenUp } from '../../../domain/assign/node-state.ts';
import { nodeMatches, parseConstraints } from '../../../domain/schedule/constraint.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import { isTerminal, isWanted } from '../../../domain/task-state.ts';
import type { Cluster } from '../world/cluster.ts';
import { runsWell } from '../workload/specs.ts';
import type { Seen } from './audit.ts';
import { placeOf } from './slots.ts';
import { Violation } from './violation.ts';

/** From the end of a trouble until nothing of it may show any more: elections, backoffs and silence, ms. */
const aftermathMs = 60_000;
/** The scheduler's constraint enforcer says so (`planNode`). */
const unfit = 'assigned node no longer meets constraints';

/**
 * Nothing that runs is replaced without a reason: a task is stopped because its service, its node or its slot is not any
 * more what it was; it ends because of what befell its container; a node is down because of what befell it, or because
 * it was told to leave. What is planned (commands, rotations, servers that close connections) is no such reason.
 */
export class ReasonCheck {
  readonly #cluster: () => Cluster;
  /** Virtual time at which a task was made. */
  readonly #madeAt = new Map<string, number>();

  constructor(cluster: () => Cluster) {
    this.#cluster = cluster;
  }

  readonly record = (seen: Seen): void => {
    const now = this.#cluster().clock.now();
    for (const change of seen.applied) {
      if (change.kind === 'node') this.#checkNode(seen, change.before, change.after, now);
      if (change.kind !== 'task') continue;
      const { id, before, after } = change;
      if (before === undefined) this.#madeAt.set(id, now);
      else this.#checkTask(seen, before, after);
      if (after === undefined) this.#madeAt.delete(id);
    }
  };

  #checkNode({ seq }: Seen, before: Node | undefined, after: Node | undefined, now: number): void {
    if (after?.status.state !== 'down' || before?.status.state === 'down') return;
    if (!this.#cluster().troubles.since('host', after.id, now - aftermathMs))
      throw new Violation(
        'reason',
        `record ${seq}: nothing befell node ${after.id}, which is down`,
      );
  }

  #checkTask(seen: Seen, before: Task, after: Task | undefined): void {
    if (!isWanted(before.desired) || isTerminal(before.status.state)) return;
    const broken = (what: string): never => {
      throw new Violation('reason', `record ${seen.seq}: task ${before.id} ${what} for no reason`);
    };
    if (after === undefined || !isWanted(after.desired)) {
      if (!mayStop(seen, before) && !(after !== undefined && this.#mayEnd(seen, before, after)))
        broken(`(${before.serviceName}) is stopped`);
    } else if (isTerminal(after.status.state) && !this.#mayEnd(seen, before, after))
      broken(`is ${after.status.state}`);
  }

  #mayEnd(seen: Seen, before: Task, { status }: Task): boolean {
    const { id, nodeId, spec } = before;
    if (!isTerminal(status.state)) return false;
    if (status.state === 'orphaned') return isLost(seen, before);
    if (status.err === unfit)
      return nodesOf(seen, nodeId).some((node) => !fits(seen, before, node));
    if (!runsWell(spec.ContainerSpec.Image)) return true;
    return this.#cluster().troubles.since('engine', nodeId, this.#madeAt.get(id) ?? 0);
  }
}

/** One record holds the decisions of many: what they saw is an object's version before it, within it, or after it. */
function versions<K extends Applied['kind']>(
  applied: readonly Applied[],
  kind: K,
  id: string,
  now: Extract<Applied, { kind: K }>['after'],
): readonly NonNullable<typeof now>[] {
  const found = applied.filter((change) => change.kind === kind && change.id === id);
  const all = [now, ...found.flatMap(({ before, after }) => [before, after])];
  return all.filter((object) => object !== undefined) as readonly NonNullable<typeof now>[];
}

const nodesOf = ({ applied, store }: Seen, id: string): readonly Node[] =>
  versions(applied, 'node', id, store.node(id));
const servicesOf = ({ applied, store }: Seen, id: string): readonly Service[] =>
  versions(applied, 'service', id, store.service(id));

function mayStop(seen: Seen, task: Task): boolean {
  const { store } = seen;
  const services = servicesOf(seen, task.serviceId);
  if (store.service(task.serviceId) === undefined) return true;
  if (task.nodeId !== '' && isLost(seen, task)) return true;
  const nodes = nodesOf(seen, task.nodeId);
  if (
    services.some((service) =>
      [undefined, ...nodes].some((n) => new DirtyCheck(service).isDirty(task, n)),
    )
  )
    return true;
  return isSurplus(seen, task, services) || nodes.some((node) => !fits(seen, task, node));
}

/** Its node is gone, given up or drained. */
function isLost(seen: Seen, { nodeId }: Task): boolean {
  if (seen.store.node(nodeId) === undefined) return true;
  return nodesOf(seen, nodeId).some(
    (node) => isGivenUp(node) || node.spec.Availability === 'drain',
  );
}

/** The node meets what the task, or its service by now, asks of it. */
function fits(seen: Seen, task: Task, node: Node): boolean {
  const specs = [task.spec, ...servicesOf(seen, task.serviceId).map((s) => s.spec.TaskTemplate)];
  return specs.every(({ Placement }) =>
    nodeMatches(parseConstraints(Placement?.Constraints ?? []), node),
  );
}

/** There are more slots than replicas; or its slot has another task, which was there before. */
function isSurplus(seen: Seen, task: Task, services: readonly Service[]): boolean {
  const made = new Set(seen.applied.flatMap((c) => (c.before === undefined ? [c.id] : [])));
  const others = [...seen.store.tasksOfService(task.serviceId)].filter(({ id }) => id !== task.id);
  const inSlot = others.some(
    (other) => placeOf(other) === placeOf(task) && isWanted(other.desired) && !made.has(other.id),
  );
  const stay = others.filter(({ desired }) => desired !== 'remove').map(placeOf);
  const slots = new Set([...stay, placeOf(task)]);
  return (
    inSlot || services.some(({ spec }) => slots.size > (spec.Mode.Replicated?.Replicas ?? Infinity))
  );
}
