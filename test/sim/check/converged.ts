import type { Node, Service, Task } from '../../../domain/model/objects.ts';
import type { Store } from '../../../domain/store/store.ts';
import { isTerminal, isWanted } from '../../../domain/task-state.ts';
import { DirtyCheck } from '../../../domain/orchestrate/dirty.ts';
import { nodeMatches, parseConstraints } from '../../../domain/schedule/constraint.ts';
import type { Cluster } from '../world/cluster.ts';
import { runsWell } from '../workload/specs.ts';
import { reservedOn } from './resources.ts';
import { placeOf } from './slots.ts';

/** A follower is so far behind the log at most, while others write. */
const lagRecordsMax = 20;

/** What is not yet as it should be once everything is healed; empty when the cluster has converged. */
export function unconverged(cluster: Cluster): readonly string[] {
  const { leader, audit, hosts } = cluster;
  if (leader?.manager === undefined) return ['no leader'];
  const { store } = audit;
  const open = [
    ...cluster.managers.flatMap(({ id, manager }) =>
      manager?.leaderId() === leader.id && audit.last - manager.view().index < lagRecordsMax
        ? []
        : [`manager ${id} does not follow`],
    ),
    ...hosts.flatMap((host) => {
      const state = store.node(host.id)?.status.state;
      return state === 'ready' ? [] : [`node ${host.id} is ${state}`];
    }),
    ...(store.cluster()?.rootRotation === undefined ? [] : ['the root is being rotated']),
    ...[...store.list('service')].flatMap((service) => unconvergedService(store, service)),
    ...[...store.list('task')]
      .filter((task) => store.service(task.serviceId) === undefined)
      .map((task) => `task ${task.id} of a removed service`),
    ...hosts.flatMap((host) => strayContainers(store, host)),
  ];
  const different = open.length === 0 ? cluster.differing() : undefined;
  return different === undefined ? open : [different];
}

function unconvergedService(store: Store, service: Service): readonly string[] {
  const tasks = [...store.tasksOfService(service.id)];
  const { Name, TaskTemplate } = service.spec;
  const out = longHistory(store, service, tasks);
  const state = service.updateStatus?.state;
  const steady = runsWell(TaskTemplate.ContainerSpec.Image);
  // Of services that cannot run, or whose update or rollback has failed, only the bounds are known.
  if (!steady || state === 'paused' || state === 'rollback_paused') return out;
  const wanted = tasks.filter((t) => isWanted(t.desired) && !isPausedHere(store, service, t));
  const running = wanted.filter((t) => t.status.state === 'running');
  const waiting = wanted.filter((t) => t.status.state === 'pending');
  const stuck = waiting.filter((task) => !couldRun(store, task)).length;
  // An update waits for its tasks to run, whatever keeps them from it.
  if (stuck === 0 && (state === 'updating' || state === 'rollback_started'))
    out.push(`${Name} is ${state}`);
  for (const task of running)
    if (stuck === 0 && new DirtyCheck(service).isDirty(task, store.node(task.nodeId)))
      out.push(`${Name}: ${task.id} is outdated`);
  for (const task of running)
    if (!isAllowed(store, task)) out.push(`${Name}: ${task.id} is where it may not be`);
  const places = new Set(running.map(placeOf));
  if (places.size !== running.length) out.push(`${Name}: two tasks in one slot`);
  const eligible = tasks.filter(
    (t) => service.spec.Mode.Global === undefined || isOnUsable(store, service, t),
  );
  const missing = wantedCount(store, service) - running.length - spent(service, eligible);
  if (missing < 0) out.push(`${Name}: ${-missing} tasks too many`);
  if (missing > stuck) out.push(`${Name}: ${missing} tasks missing, ${stuck} without a node`);
  return out;
}

function wantedCount(store: Store, { spec }: Service): number {
  if (spec.Mode.Replicated !== undefined) return spec.Mode.Replicated.Replicas;
  return [...store.list('node')].filter(
    (node) => usable(node) && matches(node, spec.TaskTemplate.Placement?.Constraints),
  ).length;
}

function isOnUsable(store: Store, { spec }: Service, task: Task): boolean {
  const node = store.node(task.nodeId);
  const constraints = spec.TaskTemplate.Placement?.Constraints;
  return node !== undefined && usable(node) && matches(node, constraints);
}

/** Constraints are enforced on active nodes. */
function isAllowed(store: Store, task: Task): boolean {
  const node = store.node(task.nodeId);
  if (node === undefined || node.spec.Availability === 'drain') return false;
  return node.spec.Availability === 'pause' || matches(node, task.spec.Placement?.Constraints);
}

/** Tasks of global services stay exactly as they are on a paused node. */
const isPausedHere = (store: Store, { spec }: Service, task: Task): boolean =>
  spec.Mode.Global !== undefined && store.node(task.nodeId)?.spec.Availability === 'pause';

const usable = (node: Node): boolean =>
  node.status.state === 'ready' && node.spec.Availability === 'active';
const matches = (node: Node, constraints: readonly string[] = []): boolean =>
  nodeMatches(parseConstraints(constraints), node);

/**
 * Slots whose restart policy lets nothing run any more, after an engine's crash for instance. A running update has yet
 * to come to some of them, whatever the policy is now.
 */
function spent(service: Service, tasks: readonly Task[]): number {
  const { Condition = 'any', MaxAttempts = 0 } = service.spec.TaskTemplate.RestartPolicy ?? {};
  const state = service.updateStatus?.state;
  const updating = state === 'updating' || state === 'rollback_started';
  if (Condition === 'any' && MaxAttempts === 0 && !updating) return 0;
  const places = new Set(tasks.map(placeOf));
  for (const task of tasks)
    if (isWanted(task.desired) && !isTerminal(task.status.state)) places.delete(placeOf(task));
  for (const task of tasks) if (task.desired === 'remove') places.delete(placeOf(task));
  return places.size;
}

/** Some node has room for the task: it must not be left waiting. */
function couldRun(store: Store, task: Task): boolean {
  const { Placement, Resources } = task.spec;
  for (const node of store.list('node')) {
    if (!usable(node) || !matches(node, Placement?.Constraints)) continue;
    if (task.nodeId !== '' && task.nodeId !== node.id) continue;
    const here = [...store.tasksOfNode(node.id)].filter(
      (t) => t.serviceId === task.serviceId && isWanted(t.desired),
    );
    const max = Placement?.MaxReplicas ?? 0;
    if (max > 0 && here.length >= max) continue;
    const reserved = reservedOn(store, node.id);
    const { nanoCpus = 0, memoryBytes = 0 } = node.description?.resources ?? {};
    if (
      reserved.nanoCpus + (Resources?.Reservations?.NanoCPUs ?? 0) <= nanoCpus &&
      reserved.memoryBytes + (Resources?.Reservations?.MemoryBytes ?? 0) <= memoryBytes
    )
      return true;
  }
  return false;
}

function longHistory(store: Store, service: Service, tasks: readonly Task[]): string[] {
  const attempts = service.spec.TaskTemplate.RestartPolicy?.MaxAttempts ?? 0;
  const limit = store.cluster()?.spec.Orchestration.TaskHistoryRetentionLimit ?? 5;
  // One more than is kept: the newest stays whatever the limit, and what has just ended has its turn next.
  const max = (attempts > 0 ? attempts + 1 : limit) + 1;
  const counts = new Map<string, number>();
  for (const task of tasks.filter(({ status }) => isTerminal(status.state))) {
    const place = placeOf(task);
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count > max)
    .map(([place, count]) => `${place} keeps ${count} ended tasks, limit ${max}`);
}

/** Containers of tasks that the store does not know, and running ones whose task does not run there. */
function strayContainers(store: Store, host: Cluster['hosts'][number]): readonly string[] {
  return [...host.engine.states()].flatMap(([taskId, state]) => {
    const task = store.task(taskId);
    if (task === undefined) return [`container of unknown task ${taskId} on ${host.id}`];
    if (task.nodeId !== host.id)
      return [`container of ${taskId} on ${host.id}, not ${task.nodeId}`];
    const ended = state === 'running' && isTerminal(task.status.state);
    return ended ? [`container of ended task ${taskId} runs`] : [];
  });
}
