import type { Node } from '../model/objects.ts';
import { nodeMatches, parseConstraints } from '../schedule/constraint.ts';
import { flawOf } from '../schedule/flaw.ts';
import { newTask } from './new-task.ts';
import { isGivenUp, isSuspended } from '../assign/node-state.ts';
import type { ServicePlanBuilder } from './service-plan-builder.ts';
import { newestOf, type Slot, wantedOf } from './slot.ts';

/**
 * One task on every node that is not down, not drained and meets the constraints (swarm-compat §4.2). Answers the
 * slots that may be mended and updated: those of nodes that are paused, held or resting stay as they are, and of those
 * whose record cannot be read.
 */
export function reconcileGlobal(builder: ServicePlanBuilder): readonly Slot[] {
  const { view, service } = builder;
  const constraints = parseConstraints(service.spec.TaskTemplate.Placement?.Constraints ?? []);
  const slots: Slot[] = [];
  for (const node of view.list('node')) {
    if (!isUsable(node)) withdraw(builder, node);
    else if (flawOf(node) !== undefined) leave(builder, node);
    else if (!nodeMatches(constraints, node)) withdraw(builder, node);
    else if (isSuspended(node)) leaveOne(builder, node);
    else {
      const slot = builder.slot(node.id);
      if (newestOf(slot) !== undefined) slots.push(slot);
      else if (builder.isFull) builder.wake(builder.now);
      else builder.create(slot, newTask(service, node.id, builder.now, { desired: 'running' }));
    }
  }
  for (const slot of builder.slots.values())
    if (view.node(String(slot.key)) === undefined)
      for (const task of slot.tasks) builder.delete(slot, task);
  return slots;
}

const isUsable = (node: Node): boolean => node.spec.Availability !== 'drain' && !isGivenUp(node);

/** Nobody can tell whether it meets the constraints: what runs there runs on. */
function leave(builder: ServicePlanBuilder, node: Node): void {
  builder.note(`the record of node ${node.id} cannot be read`);
  leaveOne(builder, node);
}

/** A start-first step that was on its way when the node was paused comes to its end: two must not run on. */
function leaveOne(builder: ServicePlanBuilder, node: Node): void {
  const slot = builder.slots.get(node.id);
  if (slot === undefined) return;
  const wanted = wantedOf(slot);
  if (wanted.at(-1)?.status.state !== 'running') return;
  for (const task of wanted.slice(0, -1)) builder.shutdown(slot, task);
}

function withdraw(builder: ServicePlanBuilder, node: Node): void {
  const slot = builder.slots.get(node.id);
  if (slot === undefined) return;
  for (const task of slot.tasks) builder.shutdown(slot, task);
}
