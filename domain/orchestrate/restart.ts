import { limits } from '../limits.ts';
import type { Task } from '../model/objects.ts';
import type { View } from '../store/view.ts';
import { isTerminal } from '../task-state.ts';
import { newTask } from './new-task.ts';
import { isGivenUp, mayRunOn } from '../assign/node-state.ts';
import type { ServicePlanBuilder } from './service-plan-builder.ts';
import { endedItself, newestOf, type Slot, wantedOf } from './slot.ts';
import { isActive, isPaused, updateOf } from './update-state.ts';

const nsPerMs = 1e6;
const delayNsDefault = 5e9;

/** Why a wanted task needs a replacement: it ended, or the manager lost or gave up its node. */
type Break = 'dead' | 'lost';

export function breakOf(view: View, task: Task): Break | undefined {
  if (isTerminal(task.status.state)) return task.status.state === 'orphaned' ? 'lost' : 'dead';
  if (task.nodeId === '') return undefined;
  const node = view.node(task.nodeId);
  const lost = node === undefined || isGivenUp(node) || node.spec.Availability === 'drain';
  return lost ? 'lost' : undefined;
}

/**
 * Leaves a slot with one task that is wanted and can run, as far as the restart policy allows. During a start-first
 * update a slot has two: the new one, and the old one until the new one runs. Then the old one is a safety net, and
 * only the new one is restarted.
 */
export function repairSlot(builder: ServicePlanBuilder, slot: Slot): void {
  const wanted = wantedOf(slot);
  const current = retainBest(
    builder,
    slot,
    wanted.filter((t) => !builder.isDirty(t)),
  );
  const old = retainBest(
    builder,
    slot,
    wanted.filter((t) => builder.isDirty(t)),
  );
  const oldWorks = old !== undefined && breakOf(builder.view, old) === undefined;
  if (current === undefined) {
    if (old === undefined) revive(builder, slot);
    else if (oldWorks) retry(builder, slot, old);
    else replace(builder, slot, old);
    return;
  }
  if (old !== undefined && !oldWorks) builder.shutdown(slot, old);
  if (breakOf(builder.view, current) === undefined) return;
  if (oldWorks && isPaused(builder.service)) builder.shutdown(slot, current);
  else replace(builder, slot, current);
}

/** More than one of a kind comes from a plan that was cut short by a crash. */
function retainBest(
  builder: ServicePlanBuilder,
  slot: Slot,
  tasks: readonly Task[],
): Task | undefined {
  const worth = (t: Task): number =>
    (breakOf(builder.view, t) === undefined ? 2 : 0) + (t.status.state === 'running' ? 1 : 0);
  let best: Task | undefined;
  for (const task of tasks) if (best === undefined || worth(task) >= worth(best)) best = task;
  for (const task of tasks) if (task !== best) builder.shutdown(slot, task);
  return best;
}

function replace(builder: ServicePlanBuilder, slot: Slot, task: Task): void {
  const waits = task.desired === 'ready' ? (task.startAfter ?? 0) : 0;
  if (endedItself(task) && waits > builder.now && !isOvertaken(builder, task)) {
    // It failed while it was being prepared: its own delay goes on, or a missing image would spin.
    builder.wake(waits);
    builder.note('waiting for the restart delay');
    return;
  }
  if (mayRestart(task, slot)) respawn(builder, slot, task);
  else builder.note('not restarted by its restart policy');
  builder.shutdown(slot, task);
}

/** Nothing is wanted in the slot: either its last task may not be restarted, or a replacement was never written. */
function revive(builder: ServicePlanBuilder, slot: Slot): void {
  const last = newestOf(slot);
  if (last === undefined) return;
  const rerun =
    builder.service.updateStatus?.state === 'rollback_started' &&
    last.specVersion !== builder.service.specVersion;
  // An outdated one that ended for good is the rolling update's to run again, in its turn.
  if (mayRestart(last, slot) || (rerun && !builder.isDirty(last))) respawn(builder, slot, last);
  else builder.note('not restarted by its restart policy');
}

/** The new task of a start-first update ended while the old one still runs. */
function retry(builder: ServicePlanBuilder, slot: Slot, old: Task): void {
  const last = newestOf(slot);
  if (last === undefined || last === old || isPaused(builder.service)) return;
  if (
    last.specVersion === builder.service.specVersion &&
    endedItself(last) &&
    mayRestart(last, slot)
  )
    respawn(builder, slot, last);
}

/** Whether the task's own restart policy lets something run after it in its slot (swarm-compat §4.3). */
function mayRestart(task: Task, slot: Slot): boolean {
  const { Condition = 'any', MaxAttempts = 0, Window = 0 } = task.spec.RestartPolicy ?? {};
  if (Condition === 'none') return false;
  if (Condition === 'on-failure' && task.status.state === 'complete') return false;
  if (MaxAttempts === 0 || !endedItself(task)) return true;
  if (Window === 0) return (task.restarts ?? 0) < MaxAttempts;
  const since = task.meta.updatedAt - Window / nsPerMs;
  const ends = slot.tasks.filter(
    (t) => t.specVersion === task.specVersion && endedItself(t) && t.meta.updatedAt > since,
  );
  return ends.length <= MaxAttempts;
}

/** Makes the task that follows `last` in its slot. */
function respawn(builder: ServicePlanBuilder, slot: Slot, last: Task): void {
  const { service, now } = builder;
  const sameVersion = last.specVersion === service.specVersion;
  const updated = isOvertaken(builder, last);
  const unfinished =
    updateOf(last) === service.specVersion && !endedItself(last) && last.runningAt === undefined;
  const startAfter = endedItself(last) ? startAfterEnd(last, now) : last.startAfter;
  const restarts = sameVersion ? (last.restarts ?? 0) + (endedItself(last) ? 1 : 0) : 0;
  builder.create(
    slot,
    newTask(service, slot.key, now, {
      replaces: last.id,
      ...(startAfter !== undefined && startAfter > now && !updated && { startAfter }),
      ...((updated || unfinished) && { byUpdate: true }),
      ...(restarts > 0 && { restarts }),
    }),
  );
}

/**
 * A running update is going to replace the task anyway. What follows it is a step of the update then, and another
 * program, so it waits for no restart delay.
 */
const isOvertaken = (builder: ServicePlanBuilder, task: Task): boolean =>
  isActive(builder.service) && builder.isDirty(task);

/**
 * A task that ended is followed after its restart delay; one lost with its node at once. A floor between two tasks of
 * a slot keeps a service that ends as soon as it starts from spinning.
 */
const startAfterEnd = (last: Task, now: number): number =>
  Math.max(
    now + (last.spec.RestartPolicy?.Delay ?? delayNsDefault) / nsPerMs,
    Math.max(last.meta.createdAt, last.startAfter ?? 0) + limits.restartIntervalMsMin,
  );

/** Lets replacements start whose delay is over and whose predecessor has stopped. */
export function promote(builder: ServicePlanBuilder, slot: Slot): void {
  // What waits while a newer task has been told to run (the update's, start-first) is started only if that one fails.
  const told = slot.tasks.findLastIndex(
    (t) => t.desired === 'running' && !isTerminal(t.status.state),
  );
  for (const task of slot.tasks.slice(told + 1)) {
    if (task.desired !== 'ready' || isTerminal(task.status.state)) continue;
    if ((task.startAfter ?? 0) > builder.now) {
      builder.wake(task.startAfter ?? 0);
      builder.note('waiting for the restart delay');
    } else if (mustWait(builder, slot, task)) {
      builder.wake(task.meta.createdAt + limits.taskStopWaitMs);
      builder.note('waiting for the old task to stop');
    } else builder.patch(slot, task, { desired: 'running' });
  }
}

/**
 * A task before it in the slot may still run on a node that answers, and has not been waited for long enough. Whatever
 * such a task reported last, it may have been started since.
 */
function mustWait(builder: ServicePlanBuilder, slot: Slot, task: Task): boolean {
  if (task.replaces === undefined) return false;
  if (builder.now >= task.meta.createdAt + limits.taskStopWaitMs) return false;
  return slot.tasks.some(
    (other) =>
      other !== task &&
      (other.id === task.replaces || other.desired === 'shutdown') &&
      mayStillRun(builder, other),
  );
}

function mayStillRun(builder: ServicePlanBuilder, task: Task): boolean {
  const node = builder.nodeOf(task);
  return node !== undefined && mayRunOn(node) && !isTerminal(task.status.state);
}
