import { Fault } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Task, TaskStatus } from '../model/objects.ts';
import type { Change } from '../store/changes.ts';
import type { Context, View } from '../store/view.ts';
import { isAdvance, isTerminal, taskStateRank } from '../task-state.ts';

/**
 * Status reports of one node. A node may speak of its own tasks only, and a state only ever advances; what does not
 * is dropped, because reports may arrive twice or late. Unknown tasks are dropped too: they were deleted meanwhile.
 */
export function taskReports(
  view: View,
  ctx: Context,
  nodeId: string,
  updates: readonly { readonly taskId: string; readonly status: TaskStatus }[],
): readonly Change[] {
  return updates.flatMap(({ taskId, status }) => {
    const task = view.task(taskId);
    if (task === undefined) return [];
    if (task.nodeId !== nodeId)
      throw new Fault('PermissionDenied', `task ${taskId} is not assigned to node ${nodeId}`);
    if (!accepts(task, status)) return [];
    const runningAt = task.runningAt ?? (status.state === 'running' ? ctx.now : undefined);
    return [
      {
        op: 'patch',
        kind: 'task',
        id: taskId,
        fields: { status: timely(status, ctx.now), ...(runningAt !== undefined && { runningAt }) },
      } satisfies Change,
    ];
  });
}

const accepts = (task: Task, status: TaskStatus): boolean =>
  taskStateRank[status.state] !== undefined &&
  !isTerminal(task.status.state) &&
  isAdvance(task.status.state, status.state);

/** A time beyond the manager's own would order the task behind all others, for ever. */
const timely = (status: TaskStatus, now: number): TaskStatus => ({
  ...status,
  at: status.at <= now + limits.reportAheadMsMax ? Math.max(status.at, 0) : now,
});
