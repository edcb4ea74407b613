import { limits } from '../limits.ts';
import type { Service, Task, UpdateState } from '../model/objects.ts';
import { isTerminal, isWanted } from '../task-state.ts';
import { newTask } from './new-task.ts';
import type { ServicePlanBuilder } from './service-plan-builder.ts';
import { endedItself, isIdle, newestOf, runs, type Slot, wantedOf } from './slot.ts';
import {
  isActive,
  isPaused,
  isRollback,
  type Rollout,
  rolloutOf,
  updateOf,
} from './update-state.ts';

/**
 * The rolling update and rollback (swarm-compat §4.7) as a function of the store. What runs is told by the tasks
 * (`byUpdate`, `runningAt`) and by `updateStatus` and `updateProgress` of the service, so any leader goes on with it.
 */

/**
 * Counts the tasks made by this update that ended too early, and pauses or rolls back when they are too many. A task
 * is counted once because it is not wanted any more in the same change. False: there are more than one plan can hold.
 */
export function countUpdateFailures(builder: ServicePlanBuilder): boolean {
  const { service } = builder;
  const progress = service.updateProgress;
  const rollout = rolloutOf(service);
  if (!isActive(service) || progress === undefined || rollout.action === 'continue') return true;
  const early = [...builder.slots.values()].flatMap((slot) =>
    slot.tasks
      .filter((task) => endedEarly(service, task, rollout.monitorMs))
      .map((task) => ({ slot, task })),
  );
  const counted = early.slice(0, limits.planChangesMax - 1);
  let { failed } = progress;
  for (const { slot, task } of counted) {
    failed += 1;
    builder.shutdown(slot, task);
    // Swarm's ratio is a 32-bit float.
    if (Math.fround(failed / progress.total) <= Math.fround(rollout.failureRatioMax)) continue;
    builder.patchService({ updateProgress: { ...progress, failed } });
    stop(builder, rollout, task);
    return true;
  }
  if (failed > progress.failed) builder.patchService({ updateProgress: { ...progress, failed } });
  return counted.length === early.length;
}

function endedEarly(service: Service, task: Task, monitorMs: number): boolean {
  if (updateOf(task) !== service.specVersion) return false;
  if (!isWanted(task.desired) || !endedItself(task)) return false;
  return task.runningAt === undefined || task.meta.updatedAt - task.runningAt <= monitorMs;
}

/** The update's failure action, because of `task`. A rollback is never rolled back. */
function stop(builder: ServicePlanBuilder, { action }: Rollout, task: Task): void {
  const { service } = builder;
  const cause = `due to failure or early termination of task ${task.id}`;
  const previous = service.previousSpec;
  if (action === 'rollback' && !isRollback(service) && previous !== undefined) {
    setStatus(builder, 'rollback_started', `update rolled back ${cause}`);
    builder.patchService({
      spec: previous,
      specVersion: service.specVersion + 1,
      previousSpec: undefined,
      updateProgress: undefined,
    });
  } else if (isRollback(service))
    setStatus(
      builder,
      'rollback_paused',
      `${action === 'rollback' ? 'rollback' : 'update'} paused ${cause}`,
    );
  else setStatus(builder, 'paused', `update paused ${cause}`);
}

function setStatus(builder: ServicePlanBuilder, state: UpdateState, message: string): void {
  const startedAt = builder.service.updateStatus?.startedAt ?? builder.now;
  builder.patchService({ updateStatus: { state, message, startedAt } });
}

/** Starts the update that a new spec asks for. A command on the service has cleared the status before. */
export function begin(builder: ServicePlanBuilder, slots: readonly Slot[]): void {
  const { service } = builder;
  if (service.updateProgress !== undefined && isActive(service)) return;
  if (service.updateStatus !== undefined && !isActive(service)) return;
  const total = slots.filter(
    (slot) => needsUpdate(builder, slot) || isHalfway(builder, slot),
  ).length;
  if (total === 0) return;
  if (service.updateStatus === undefined) setStatus(builder, 'updating', 'update in progress');
  builder.patchService({ updateProgress: { failed: 0, total } });
}

/** Takes the next slots as far as parallelism and delay allow, and completes the update when all is done. */
export function advanceUpdate(builder: ServicePlanBuilder, slots: readonly Slot[]): void {
  const rollout = rolloutOf(builder.service);
  for (const slot of slots) {
    if (isActive(builder.service)) takeOver(builder, slot);
    finish(builder, slot, rollout);
  }
  if (isPaused(builder.service)) return builder.note('the update is paused');
  const begun: Slot[] = [];
  const fresh: Slot[] = [];
  let busy = 0;
  for (const slot of slots)
    if (isDue(builder, slot, rollout)) (isBegun(builder, slot) ? begun : fresh).push(slot);
    else if (isBusy(builder, slot, rollout)) busy += 1;
  const waiting = [...begun.sort(downFirst), ...fresh.sort(downFirst)];
  for (const slot of waiting.slice(0, Math.max(0, rollout.parallelism - busy))) {
    if (builder.isFull) return builder.wake(builder.now);
    take(builder, slot, rollout);
  }
  if (waiting.length > 0) builder.note('waiting for the update to get there');
  else if (isActive(builder.service)) completeInTime(builder, slots, rollout);
}

/**
 * Something outdated is wanted in the slot, or ended in it for good, and nothing current was made for it yet. A slot
 * in which this update's own task failed for good was tried, and stays as it is until the next update.
 */
function needsUpdate(builder: ServicePlanBuilder, slot: Slot): boolean {
  const newest = newestOf(slot);
  if (newest === undefined || newest.specVersion === builder.service.specVersion) return false;
  if (isIdle(slot)) return builder.isDirty(newest);
  return wantedOf(slot).every((task) => builder.isDirty(task));
}

const currentOf = (builder: ServicePlanBuilder, slot: Slot): Task | undefined =>
  wantedOf(slot).find((task) => !builder.isDirty(task));
const oldOf = (builder: ServicePlanBuilder, slot: Slot): Task | undefined =>
  wantedOf(slot).find((task) => builder.isDirty(task));

/** The new task is there and the old one is not ended yet. */
const isHalfway = (builder: ServicePlanBuilder, slot: Slot): boolean =>
  currentOf(builder, slot) !== undefined && oldOf(builder, slot) !== undefined;

/** The slot waits for its turn. Start-first, what was left halfway is on its way already. */
const isDue = (builder: ServicePlanBuilder, slot: Slot, { startFirst }: Rollout): boolean =>
  needsUpdate(builder, slot) || (!startFirst && leftHalfway(builder, slot) !== undefined);

/** An earlier update came halfway: what it made fits the present spec, and is this update's to go on with. */
function leftHalfway(builder: ServicePlanBuilder, slot: Slot): Task | undefined {
  const current = currentOf(builder, slot);
  const isLeft = current?.specVersion !== builder.service.specVersion;
  return isLeft && oldOf(builder, slot) !== undefined ? current : undefined;
}

/** From now on the task is a step of this update, and watched by its monitor. */
function takeOver(builder: ServicePlanBuilder, slot: Slot): void {
  const left = leftHalfway(builder, slot);
  const { specVersion } = builder.service;
  if (left !== undefined && isOnItsWay(left) && updateOf(left) !== specVersion)
    builder.patch(slot, left, { byUpdate: true, takenOverBy: specVersion });
}

/** What an earlier update has begun is on its way whatever is taken next: it takes up parallelism before the others. */
function isBegun(builder: ServicePlanBuilder, slot: Slot): boolean {
  const left = leftHalfway(builder, slot);
  return left !== undefined && isOnItsWay(left);
}

/** Slots where nothing runs have nothing to lose, and go first. */
const downFirst = (a: Slot, b: Slot): number => Number(runs(a)) - Number(runs(b)) || byKey(a, b);
const byKey = ({ key: a }: Slot, { key: b }: Slot): number => (a < b ? -1 : a > b ? 1 : 0);

/** Stop-first: the new task is prepared while the old one stops. Start-first: the old one stops once the new one runs. */
function take(builder: ServicePlanBuilder, slot: Slot, { startFirst }: Rollout): void {
  const left = leftHalfway(builder, slot);
  if (left !== undefined) return end(builder, slot, left);
  const old = wantedOf(slot);
  const last = old.at(-1) ?? newestOf(slot);
  const waits = !startFirst || old.length === 0;
  builder.create(
    slot,
    newTask(builder.service, slot.key, builder.now, {
      byUpdate: true,
      ...(waits && last !== undefined && { replaces: last.id }),
    }),
  );
  if (!startFirst) for (const task of old) builder.shutdown(slot, task);
}

/** Ends the old task of a slot whose new one runs, or need not run first. Goes on while the update is paused. */
function finish(builder: ServicePlanBuilder, slot: Slot, { startFirst }: Rollout): void {
  const current = currentOf(builder, slot);
  if (current === undefined) return;
  const mayWait = startFirst || current === leftHalfway(builder, slot);
  if (current.status.state === 'running' || !mayWait) end(builder, slot, current);
}

/** Ends the old task in favour of `current`. */
function end(builder: ServicePlanBuilder, slot: Slot, current: Task): void {
  const old = oldOf(builder, slot);
  if (old === undefined) return;
  if (current.desired === 'ready' && current.replaces === undefined)
    builder.patch(slot, current, { replaces: old.id });
  builder.shutdown(slot, old);
}

/** The update's newest step in the slot, if it has come there. */
export const stepOf = (builder: ServicePlanBuilder, slot: Slot): Task | undefined =>
  slot.tasks.findLast((t) => t.byUpdate === true && t.desired !== 'remove' && !builder.isDirty(t));

const ranAt = (task: Task): number | undefined =>
  task.runningAt ?? (task.status.state === 'running' ? task.status.at : undefined);

const isOnItsWay = (task: Task): boolean =>
  ranAt(task) === undefined && isWanted(task.desired) && !isTerminal(task.status.state);

/** When the step came to its end: it ran, or gave up. */
const doneAt = (task: Task): number => ranAt(task) ?? task.meta.updatedAt;

/** A step is on its way in the slot, or its delay is not over. */
function isBusy(builder: ServicePlanBuilder, slot: Slot, { delayMs }: Rollout): boolean {
  const step = stepOf(builder, slot);
  if (step === undefined) return false;
  if (isOnItsWay(step)) return true;
  const freeAt = doneAt(step) + delayMs;
  if (freeAt <= builder.now) return false;
  builder.wake(freeAt);
  return true;
}

/**
 * Nothing is left to take: once all is done and no task failed for one monitor period more, the update is complete. A
 * rollback that found nothing to do is complete at once.
 */
function completeInTime(
  builder: ServicePlanBuilder,
  slots: readonly Slot[],
  { monitorMs }: Rollout,
): void {
  if (builder.service.updateProgress === undefined) return complete(builder);
  const steps = slots.flatMap((slot) => stepOf(builder, slot) ?? []);
  if (steps.some(isOnItsWay)) return builder.note('waiting for the updated tasks to run');
  let lastDoneAt = builder.service.updateStatus?.startedAt ?? 0;
  for (const step of steps) lastDoneAt = Math.max(lastDoneAt, doneAt(step));
  const completeAt = lastDoneAt + monitorMs;
  if (completeAt <= builder.now) return complete(builder);
  builder.wake(completeAt);
  builder.note('watching the updated tasks');
}

function complete(builder: ServicePlanBuilder): void {
  const { service, now } = builder;
  builder.patchService({
    updateStatus: {
      state: isRollback(service) ? 'rollback_completed' : 'completed',
      message: isRollback(service) ? 'rollback completed' : 'update completed',
      startedAt: service.updateStatus?.startedAt ?? now,
      completedAt: now,
    },
    updateProgress: undefined,
  });
}
