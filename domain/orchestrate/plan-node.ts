import { nodeReleased } from '../assign/node-status.ts';
import { limits } from '../limits.ts';
import type { Node, Service, Task } from '../model/objects.ts';
import type { Placement } from '../model/spec.ts';
import { nodeMatches, parseConstraints } from '../schedule/constraint.ts';
import { Capacity } from '../schedule/capacity.ts';
import { flawOf } from '../schedule/flaw.ts';
import { needsOf } from '../schedule/needs.ts';
import type { Change } from '../store/changes.ts';
import type { Context, View } from '../store/view.ts';
import { isTerminal, isWanted, taskStateRank } from '../task-state.ts';
import { specDifference } from './dirty.ts';
import type { Plan } from './plan.ts';
import { isGlobal } from './slot.ts';
import { isActive, isPaused } from './update-state.ts';

/** A node that was down for this long does not come back with its tasks (swarm-compat §4.6). */
const orphanedAfterMs = 24 * 60 * 60 * 1_000;

/**
 * What a change of one node means for the tasks on it: a deleted node's tasks, and those of a node down for a day, are
 * orphaned; tasks that the node no longer may or can run are rejected; a node that was held or rested long enough does so
 * no more. That a node is down or drained is the service plan's to handle. Called when the node changed, after a change of leader, and at `wakeAt`.
 */
export function planNode(view: View, nodeId: string, ctx: Context): Plan {
  const node = view.node(nodeId);
  if (node === undefined)
    return orphan(view, nodeId, ctx, 'Task belonged to a node that has been deleted');
  const until = node.heldUntil ?? node.restUntil ?? Number.POSITIVE_INFINITY;
  if (ctx.now >= until) return { changes: [nodeReleased(node)], wakeAt: ctx.now };
  const plan = planStanding(view, node, ctx);
  const wakeAt = Math.min(until, plan.wakeAt ?? until);
  return Number.isFinite(wakeAt) ? { ...plan, wakeAt } : plan;
}

function planStanding(view: View, node: Node, ctx: Context): Plan {
  const nodeId = node.id;
  if (node.status.state === 'down') {
    // A change of the down node's spec starts its day anew; nothing depends on the hour.
    const wakeAt = node.meta.updatedAt + orphanedAfterMs;
    if (ctx.now < wakeAt) return hasLive(view, nodeId) ? { changes: [], wakeAt } : { changes: [] };
    return orphan(view, nodeId, ctx, 'Node was down for too long');
  }
  return node.spec.Availability === 'active' ? enforce(view, node, ctx) : { changes: [] };
}

const isLive = (task: Task): boolean =>
  taskStateRank[task.status.state] >= taskStateRank.assigned && !isTerminal(task.status.state);

const hasLive = (view: View, nodeId: string): boolean => {
  for (const task of view.tasksOfNode(nodeId)) if (isLive(task)) return true;
  return false;
};

function orphan(view: View, nodeId: string, ctx: Context, message: string): Plan {
  const status = { state: 'orphaned', at: ctx.now, message } as const;
  return bounded(
    ctx,
    [...view.tasksOfNode(nodeId)]
      .filter(isLive)
      .map(({ id }) => ({ op: 'patch', kind: 'task', id, fields: { status } })),
  );
}

/**
 * Rejects what the node's labels, role or resources no longer allow. Ports and replicas per node are not looked at. What
 * cannot be read, of the node or of one task, is no reason to end anything.
 */
function enforce(view: View, node: Node, ctx: Context): Plan {
  const flaw = flawOf(node);
  if (flaw !== undefined) return { changes: [], reasons: [`the node cannot be read: ${flaw}`] };
  const capacity = new Capacity();
  capacity.resize(node);
  const changes: Change[] = [];
  const reasons: string[] = [];
  for (const task of view.tasksOfNode(node.id)) {
    if (!isLive(task) || !isWanted(task.desired)) continue;
    const isAllowed = mayStay(view, node, task, capacity);
    if (isAllowed === undefined) reasons.push(`task ${task.id} cannot be read`);
    else if (!isAllowed)
      changes.push({
        op: 'patch',
        kind: 'task',
        id: task.id,
        fields: {
          status: {
            ...task.status,
            state: 'rejected',
            at: ctx.now,
            message: 'task rejected by constraint enforcer',
            err: 'assigned node no longer meets constraints',
          },
        },
      });
  }
  return { ...bounded(ctx, changes), ...(reasons.length > 0 && { reasons }) };
}

/** Undefined where the task cannot be read. What may stay has taken its part of the capacity. */
function mayStay(view: View, node: Node, task: Task, capacity: Capacity): boolean | undefined {
  try {
    const needs = needsOf(task);
    const constraints = parseConstraints(placementFor(view, task)?.Constraints ?? []);
    if (!nodeMatches(constraints, node) || !capacity.fits(needs)) return false;
    capacity.take(needs);
    return true;
  } catch {
    return undefined;
  }
}

/**
 * The placement that holds for a task: its own, or its service's where only that was changed since, because such tasks
 * are not updated while their node fits. During an update those that do not fit are the update's to replace. Tasks of
 * global services are the service plan's, which ends them without a trace of failure.
 */
function placementFor(view: View, task: Task): Placement | undefined {
  const service: Service | undefined = view.service(task.serviceId);
  if (service === undefined) return task.spec.Placement;
  if (isGlobal(service)) return undefined;
  if (isActive(service) || isPaused(service) || service.specVersion === task.specVersion)
    return task.spec.Placement;
  const { placement, rest } = specDifference(service, task);
  return placement && !rest ? service.spec.TaskTemplate.Placement : task.spec.Placement;
}

const bounded = (ctx: Context, changes: readonly Change[]): Plan =>
  changes.length <= limits.planChangesMax
    ? { changes }
    : { changes: changes.slice(0, limits.planChangesMax), wakeAt: ctx.now };
