import type { Task } from '../model/objects.ts';
import { taskStateRank } from '../task-state.ts';
import type { Applied } from '../store/changes.ts';
import type { View } from '../store/view.ts';
import { hasEndedOnNode } from './ended.ts';

/** A task belongs on its node once the scheduler has confirmed it there, until it is deleted. */
const isAssigned = (task: Task | undefined): task is Task =>
  task !== undefined &&
  task.nodeId !== '' &&
  taskStateRank[task.status.state] >= taskStateRank.assigned;

/** The task, if the node has to have it. */
export function assignmentOf(view: View, nodeId: string, taskId: string): Task | undefined {
  const task = view.task(taskId);
  return isAssigned(task) && task.nodeId === nodeId ? task : undefined;
}

/** Everything that the node has to have: what a session begins with. */
export const assignmentsOf = (view: View, nodeId: string): readonly string[] =>
  [...view.tasksOfNode(nodeId)].filter(isAssigned).map(({ id }) => id);

/**
 * The tasks of which each node is to be told something new, one entry per node concerned. A status alone is not told: it
 * came from the agent. A task that the manager ended (orphaned, rejected by the constraint enforcer) is told by its
 * desired state.
 */
export function assignmentChanges(
  applied: readonly Applied[],
): ReadonlyMap<string, readonly string[]> {
  const nodes = new Map<string, string[]>();
  for (const change of applied) {
    if (change.kind !== 'task') continue;
    const { before, after } = change;
    const task = isAssigned(after) ? after : isAssigned(before) ? before : undefined;
    if (task === undefined || !isNews(before, after)) continue;
    const known = nodes.get(task.nodeId);
    if (known === undefined) nodes.set(task.nodeId, [task.id]);
    else known.push(task.id);
  }
  return nodes;
}

function isNews(before: Task | undefined, after: Task | undefined): boolean {
  if (!isAssigned(before) || !isAssigned(after)) return true;
  return before.desired !== after.desired && !hasEndedOnNode(after);
}
