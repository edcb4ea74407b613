import { limits } from '../limits.ts';
import type { Task } from '../model/objects.ts';
import { isWanted } from '../task-state.ts';
import { isOver, type Sheet } from './sheet.ts';
import { endedItself, newestOf, type Slot } from './slot.ts';

const retentionDefault = 5;

/**
 * Deletes what nobody looks at any more (swarm-compat §4.4). The newest task of a slot always stays: it tells whether
 * the slot may be filled again.
 */
export function prune(sheet: Sheet, slot: Slot): void {
  const newest = newestOf(slot);
  for (const task of slot.tasks) {
    if (task.desired === 'remove') sheet.remove(slot, task);
    else if (task !== newest && task.status.state === 'orphaned' && !isWanted(task.desired))
      sheet.delete(slot, task);
  }
  const kept = slot.tasks.filter((task) => task.desired !== 'remove');
  const excess = kept.length - retention(sheet);
  if (excess <= 0) return;
  const over = kept.filter(
    (task) => task !== newest && !isWanted(task.desired) && isOver(sheet.view, task),
  );
  // What counts against MaxAttempts goes last.
  const counts = (task: Task): number =>
    Number(task.specVersion === sheet.service.specVersion && endedItself(task));
  over.sort((a, b) => counts(a) - counts(b));
  for (const task of over.slice(0, excess)) sheet.delete(slot, task);
}

/** How many tasks of a slot are kept, the current one included. */
function retention(sheet: Sheet): number {
  const attempts = sheet.service.spec.TaskTemplate.RestartPolicy?.MaxAttempts ?? 0;
  const orchestration = sheet.view.cluster()?.spec.Orchestration;
  const limit =
    attempts > 0 ? attempts + 1 : (orchestration?.TaskHistoryRetentionLimit ?? retentionDefault);
  const max = limits.taskHistoryPerSlotMax;
  return limit < 0 ? max : Math.min(limit, max);
}
