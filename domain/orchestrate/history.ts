import { limits } from '../limits.ts';
import type { Task } from '../model/objects.ts';
import { isWanted } from '../task-state.ts';
import { isOver, type ServicePlanBuilder } from './service-plan-builder.ts';
import { endedItself, newestOf, type Slot } from './slot.ts';
import { stepOf } from './update.ts';
import { isActive } from './update-state.ts';

const retentionDefault = 5;

/**
 * Deletes what nobody looks at any more (swarm-compat §4.4). The newest task of a slot always stays: it tells whether
 * the slot may be filled again.
 */
export function pruneHistory(builder: ServicePlanBuilder, slot: Slot): void {
  const newest = newestOf(slot);
  for (const task of slot.tasks) {
    if (task.desired === 'remove') builder.remove(slot, task);
    else if (task !== newest && task.status.state === 'orphaned' && !isWanted(task.desired))
      builder.delete(slot, task);
  }
  const kept = slot.tasks.filter((task) => task.desired !== 'remove');
  const limit = retention(builder);
  // The update's delay counts from the end of its step.
  const step = isActive(builder.service) ? stepOf(builder, slot) : undefined;
  const over = kept.filter(
    (task) =>
      task !== newest && task !== step && !isWanted(task.desired) && isOver(builder.view, task),
  );
  // Restarts are counted in the history: what counts gives way to nothing else. The newest task counts too.
  const counted = over.filter((task) => countsAsAttempt(builder, task));
  const others = over.filter((task) => !countsAsAttempt(builder, task));
  for (const task of others.slice(0, Math.max(0, kept.length - limit))) builder.delete(slot, task);
  for (const task of counted.slice(0, Math.max(0, counted.length + 1 - limit)))
    builder.delete(slot, task);
}

const attemptsOf = (builder: ServicePlanBuilder): number =>
  builder.service.spec.TaskTemplate.RestartPolicy?.MaxAttempts ?? 0;

const countsAsAttempt = (builder: ServicePlanBuilder, task: Task): boolean =>
  attemptsOf(builder) > 0 && task.specVersion === builder.service.specVersion && endedItself(task);

/** How many tasks of a slot are kept, the current one included. */
function retention(builder: ServicePlanBuilder): number {
  const orchestration = builder.view.cluster()?.spec.Orchestration;
  const limit =
    attemptsOf(builder) > 0
      ? attemptsOf(builder) + 1
      : (orchestration?.TaskHistoryRetentionLimit ?? retentionDefault);
  const max = limits.taskHistoryPerSlotMax;
  return limit < 0 ? max : Math.min(limit, max);
}
