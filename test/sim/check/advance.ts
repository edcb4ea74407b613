import type { Task } from '../../../domain/model/objects.ts';
import { isTerminal, taskStateRank } from '../../../domain/task-state.ts';
import type { Seen } from './audit.ts';
import { Violation } from './violation.ts';

/** In the store a task's observed and desired states only ever advance, and it never changes its place. */
export function checkAdvance({ seq, applied }: Seen): void {
  for (const change of applied) {
    if (change.kind !== 'task' || change.before === undefined || change.after === undefined)
      continue;
    const { before, after } = change;
    const broken = (what: string): never => {
      throw new Violation('advance', `record ${seq}: task ${after.id} ${what}`);
    };
    if (before.status.state !== after.status.state) {
      if (isTerminal(before.status.state) && after.status.state !== 'orphaned')
        broken(`had ended ${before.status.state} and is ${after.status.state}`);
      if (taskStateRank[after.status.state] < taskStateRank[before.status.state])
        broken(`went back from ${before.status.state} to ${after.status.state}`);
    }
    if (taskStateRank[after.desired] < taskStateRank[before.desired])
      broken(`is desired ${after.desired} after ${before.desired}`);
    for (const field of ['serviceId', 'slot', 'specVersion'] as const)
      if (before[field] !== after[field]) broken(`changed its ${field}`);
    if (before.nodeId !== '' && before.nodeId !== after.nodeId) broken('moved to another node');
    checkRan(before, after, broken);
  }
}

function checkRan(before: Task, after: Task, broken: (what: string) => never): void {
  if (before.runningAt !== undefined && after.runningAt !== before.runningAt)
    broken('ran for the first time twice');
  if (after.status.state === 'running' && after.runningAt === undefined)
    broken('runs and never began to');
}
