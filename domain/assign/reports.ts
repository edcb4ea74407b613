import { limits } from '../limits.ts';
import type { Task, TaskStatus } from '../model/objects.ts';
import type { Change } from '../store/changes.ts';
import type { Context, View } from '../store/view.ts';
import { isAdvance, isTerminal, taskStateRank } from '../task-state.ts';

/** What a report comes to. `foreign`: the tasks in it that are not the node's. */
export interface Reported {
  readonly changes: readonly Change[];
  readonly foreign: readonly string[];
}

/**
 * Status reports of one node. A node may speak of its own tasks only, and a state only ever advances; what does not
 * is dropped, because reports may arrive twice or late. Unknown tasks are dropped too: they were deleted meanwhile. The rest
 * of the report is taken: refused as a whole it would come again for ever, and keep the node's own statuses back.
 */
export function taskReports(
  view: View,
  ctx: Context,
  nodeId: string,
  updates: readonly { readonly taskId: string; readonly status: TaskStatus }[],
): Reported {
  const foreign: string[] = [];
  const changes = updates.flatMap(({ taskId, status }) => {
    const task = view.task(taskId);
    if (task === undefined) return [];
    if (task.nodeId !== nodeId) {
      foreign.push(taskId);
      return [];
    }
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
  return { changes, foreign };
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
