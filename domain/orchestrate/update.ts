import { limits } from '../limits.ts';
import type { Service, Task, UpdateState } from '../model/objects.ts';
import { isTerminal, isWanted } from '../task-state.ts';
import { newTask } from './new-task.ts';
import type { Sheet } from './sheet.ts';
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
export function judge(sheet: Sheet): boolean {
  const { service } = sheet;
  const progress = service.updateProgress;
  const rollout = rolloutOf(service);
  if (!isActive(service) || progress === undefined || rollout.action === 'continue') return true;
  const early = [...sheet.slots.values()].flatMap((slot) =>
    slot.tasks
      .filter((task) => endedEarly(service, task, rollout.monitorMs))
      .map((task) => ({ slot, task })),
  );
  const counted = early.slice(0, limits.planChangesMax - 1);
  let { failed } = progress;
  for (const { slot, task } of counted) {
    failed += 1;
    sheet.shutdown(slot, task);
    // Swarm's ratio is a 32-bit float.
    if (Math.fround(failed / progress.total) <= Math.fround(rollout.failureRatioMax)) continue;
    sheet.patchService({ updateProgress: { ...progress, failed } });
    stop(sheet, rollout, task);
    return true;
  }
  if (failed > progress.failed) sheet.patchService({ updateProgress: { ...progress, failed } });
  return counted.length === early.length;
}

function endedEarly(service: Service, task: Task, monitorMs: number): boolean {
  if (updateOf(task) !== service.specVersion) return false;
  if (!isWanted(task.desired) || !endedItself(task)) return false;
  return task.runningAt === undefined || task.meta.updatedAt - task.runningAt <= monitorMs;
}

/** The update's failure action, because of `task`. A rollback is never rolled back. */
function stop(sheet: Sheet, { action }: Rollout, task: Task): void {
  const { service } = sheet;
  const cause = `due to failure or early termination of task ${task.id}`;
  const previous = service.previousSpec;
  if (action === 'rollback' && !isRollback(service) && previous !== undefined) {
    setStatus(sheet, 'rollback_started', `update rolled back ${cause}`);
    sheet.patchService({
      spec: previous,
      specVersion: service.specVersion + 1,
      previousSpec: undefined,
      updateProgress: undefined,
    });
  } else if (isRollback(service))
    setStatus(
      sheet,
      'rollback_paused',
      `${action === 'rollback' ? 'rollback' : 'update'} paused ${cause}`,
    );
  else setStatus(sheet, 'paused', `update paused ${cause}`);
}

function setStatus(sheet: Sheet, state: UpdateState, message: string): void {
  const startedAt = sheet.service.updateStatus?.startedAt ?? sheet.now;
  sheet.patchService({ updateStatus: { state, message, startedAt } });
}

/** Starts the update that a new spec asks for. A command on the service has cleared the status before. */
export function begin(sheet: Sheet, slots: readonly Slot[]): void {
  const { service } = sheet;
  if (service.updateProgress !== undefined && isActive(service)) return;
  if (service.updateStatus !== undefined && !isActive(service)) return;
  const total = slots.filter((slot) => needsUpdate(sheet, slot) || isHalfway(sheet, slot)).length;
  if (total === 0) return;
  if (service.updateStatus === undefined) setStatus(sheet, 'updating', 'update in progress');
  sheet.patchService({ updateProgress: { failed: 0, total } });
}

/** Takes the next slots as far as parallelism and delay allow, and completes the update when all is done. */
export function advance(sheet: Sheet, slots: readonly Slot[]): void {
  const rollout = rolloutOf(sheet.service);
  for (const slot of slots) {
    if (isActive(sheet.service)) takeOver(sheet, slot);
    finish(sheet, slot, rollout);
  }
  if (isPaused(sheet.service)) return sheet.note('the update is paused');
  const begun: Slot[] = [];
  const fresh: Slot[] = [];
  let busy = 0;
  for (const slot of slots)
    if (isDue(sheet, slot, rollout)) (isBegun(sheet, slot) ? begun : fresh).push(slot);
    else if (isBusy(sheet, slot, rollout)) busy += 1;
  const waiting = [...begun.sort(downFirst), ...fresh.sort(downFirst)];
  for (const slot of waiting.slice(0, Math.max(0, rollout.parallelism - busy))) {
    if (sheet.isFull) return sheet.wake(sheet.now);
    take(sheet, slot, rollout);
  }
  if (waiting.length > 0) sheet.note('waiting for the update to get there');
  else if (isActive(sheet.service)) completeInTime(sheet, slots, rollout);
}

/**
 * Something outdated is wanted in the slot, or ended in it for good, and nothing current was made for it yet. A slot
 * in which this update's own task failed for good was tried, and stays as it is until the next update.
 */
function needsUpdate(sheet: Sheet, slot: Slot): boolean {
  const newest = newestOf(slot);
  if (newest === undefined || newest.specVersion === sheet.service.specVersion) return false;
  if (isIdle(slot)) return sheet.isDirty(newest);
  return wantedOf(slot).every((task) => sheet.isDirty(task));
}

const currentOf = (sheet: Sheet, slot: Slot): Task | undefined =>
  wantedOf(slot).find((task) => !sheet.isDirty(task));
const oldOf = (sheet: Sheet, slot: Slot): Task | undefined =>
  wantedOf(slot).find((task) => sheet.isDirty(task));

/** The new task is there and the old one is not ended yet. */
const isHalfway = (sheet: Sheet, slot: Slot): boolean =>
  currentOf(sheet, slot) !== undefined && oldOf(sheet, slot) !== undefined;

/** The slot waits for its turn. Start-first, what was left halfway is on its way already. */
const isDue = (sheet: Sheet, slot: Slot, { startFirst }: Rollout): boolean =>
  needsUpdate(sheet, slot) || (!startFirst && leftHalfway(sheet, slot) !== undefined);

/** An earlier update came halfway: what it made fits the present spec, and is this update's to go on with. */
function leftHalfway(sheet: Sheet, slot: Slot): Task | undefined {
  const current = currentOf(sheet, slot);
  const isLeft = current?.specVersion !== sheet.service.specVersion;
  return isLeft && oldOf(sheet, slot) !== undefined ? current : undefined;
}

/** From now on the task is a step of this update, and watched by its monitor. */
function takeOver(sheet: Sheet, slot: Slot): void {
  const left = leftHalfway(sheet, slot);
  const { specVersion } = sheet.service;
  if (left !== undefined && isOnItsWay(left) && updateOf(left) !== specVersion)
    sheet.patch(slot, left, { byUpdate: true, takenOverBy: specVersion });
}

/** What an earlier update has begun is on its way whatever is taken next: it takes up parallelism before the others. */
function isBegun(sheet: Sheet, slot: Slot): boolean {
  const left = leftHalfway(sheet, slot);
  return left !== undefined && isOnItsWay(left);
}

/** Slots where nothing runs have nothing to lose, and go first. */
const downFirst = (a: Slot, b: Slot): number => Number(runs(a)) - Number(runs(b)) || byKey(a, b);
const byKey = ({ key: a }: Slot, { key: b }: Slot): number => (a < b ? -1 : a > b ? 1 : 0);

/** Stop-first: the new task is prepared while the old one stops. Start-first: the old one stops once the new one runs. */
function take(sheet: Sheet, slot: Slot, { startFirst }: Rollout): void {
  const left = leftHalfway(sheet, slot);
  if (left !== undefined) return end(sheet, slot, left);
  const old = wantedOf(slot);
  const last = old.at(-1) ?? newestOf(slot);
  const waits = !startFirst || old.length === 0;
  sheet.create(
    slot,
    newTask(sheet.service, slot.key, sheet.now, {
      byUpdate: true,
      ...(waits && last !== undefined && { replaces: last.id }),
    }),
  );
  if (!startFirst) for (const task of old) sheet.shutdown(slot, task);
}

/** Ends the old task of a slot whose new one runs, or need not run first. Goes on while the update is paused. */
function finish(sheet: Sheet, slot: Slot, { startFirst }: Rollout): void {
  const current = currentOf(sheet, slot);
  if (current === undefined) return;
  const mayWait = startFirst || current === leftHalfway(sheet, slot);
  if (current.status.state === 'running' || !mayWait) end(sheet, slot, current);
}

/** Ends the old task in favour of `current`. */
function end(sheet: Sheet, slot: Slot, current: Task): void {
  const old = oldOf(sheet, slot);
  if (old === undefined) return;
  if (current.desired === 'ready' && current.replaces === undefined)
    sheet.patch(slot, current, { replaces: old.id });
  sheet.shutdown(slot, old);
}

/** The update's newest step in the slot, if it has come there. */
export const stepOf = (sheet: Sheet, slot: Slot): Task | undefined =>
  slot.tasks.findLast((t) => t.byUpdate === true && t.desired !== 'remove' && !sheet.isDirty(t));

const ranAt = (task: Task): number | undefined =>
  task.runningAt ?? (task.status.state === 'running' ? task.status.at : undefined);

const isOnItsWay = (task: Task): boolean =>
  ranAt(task) === undefined && isWanted(task.desired) && !isTerminal(task.status.state);

/** When the step came to its end: it ran, or gave up. */
const doneAt = (task: Task): number => ranAt(task) ?? task.meta.updatedAt;

/** A step is on its way in the slot, or its delay is not over. */
function isBusy(sheet: Sheet, slot: Slot, { delayMs }: Rollout): boolean {
  const step = stepOf(sheet, slot);
  if (step === undefined) return false;
  if (isOnItsWay(step)) return true;
  const freeAt = doneAt(step) + delayMs;
  if (freeAt <= sheet.now) return false;
  sheet.wake(freeAt);
  return true;
}

/**
 * Nothing is left to take: once all is done and no task failed for one monitor period more, the update is complete. A
 * rollback that found nothing to do is complete at once.
 */
function completeInTime(sheet: Sheet, slots: readonly Slot[], { monitorMs }: Rollout): void {
  if (sheet.service.updateProgress === undefined) return complete(sheet);
  const steps = slots.flatMap((slot) => stepOf(sheet, slot) ?? []);
  if (steps.some(isOnItsWay)) return sheet.note('waiting for the updated tasks to run');
  let lastDoneAt = sheet.service.updateStatus?.startedAt ?? 0;
  for (const step of steps) lastDoneAt = Math.max(lastDoneAt, doneAt(step));
  const completeAt = lastDoneAt + monitorMs;
  if (completeAt <= sheet.now) return complete(sheet);
  sheet.wake(completeAt);
  sheet.note('watching the updated tasks');
}

function complete(sheet: Sheet): void {
  const { service, now } = sheet;
  sheet.patchService({
    updateStatus: {
      state: isRollback(service) ? 'rollback_completed' : 'completed',
      message: isRollback(service) ? 'rollback completed' : 'update completed',
      startedAt: service.updateStatus?.startedAt ?? now,
      completedAt: now,
    },
    updateProgress: undefined,
  });
}
