import type { Task } from '../model/objects.ts';
import { taskStateRank } from '../task-state.ts';
import type { Applied } from '../store/changes.ts';
import type { View } from '../store/view.ts';

/** What one node's agent must be told. */
export interface AssignmentChange {
  readonly put: readonly Task[];
  readonly remove: readonly string[];
}

/** A task belongs on its node once the scheduler has confirmed it there, until it is deleted. */
const isAssigned = (task: Task | undefined): task is Task =>
  task !== undefined &&
  task.nodeId !== '' &&
  taskStateRank[task.status.state] >= taskStateRank.assigned;

/** Everything that the node has to have: the first message of a session. */
export const assignmentsOf = (view: View, nodeId: string): readonly Task[] =>
  [...view.tasksOfNode(nodeId)].filter(isAssigned);

/**
 * What changes mean for each node, one entry per node concerned. A status alone is not told: it came from the agent.
 * A task that the manager ended (orphaned, rejected by the constraint enforcer) is told by its desired state.
 */
export function assignmentChanges(
  applied: readonly Applied[],
): ReadonlyMap<string, AssignmentChange> {
  const nodes = new Map<string, { put: Task[]; remove: string[] }>();
  const of = (nodeId: string): { put: Task[]; remove: string[] } => {
    let entry = nodes.get(nodeId);
    if (entry === undefined) nodes.set(nodeId, (entry = { put: [], remove: [] }));
    return entry;
  };
  for (const change of applied) {
    if (change.kind !== 'task') continue;
    const { before, after } = change;
    if (!isAssigned(after)) {
      if (isAssigned(before)) of(before.nodeId).remove.push(before.id);
    } else if (
      !isAssigned(before) ||
      before.desired !== after.desired ||
      before.spec !== after.spec
    )
      of(after.nodeId).put.push(after);
  }
  return nodes;
}
