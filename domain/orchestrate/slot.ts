import type { Service, Task } from '../model/objects.ts';
import { isWanted } from '../task-state.ts';

export type SlotKey = number | string;

/** One place of a service, with the tasks that it has had: a slot number, or a node of a global service. */
export interface Slot {
  readonly key: SlotKey;
  /** Oldest first; the plan's own changes are in it. */
  tasks: Task[];
}

export const isGlobal = (service: Service): boolean => service.spec.Mode.Global !== undefined;

export function slotsOf(service: Service, tasks: Iterable<Task>): Map<SlotKey, Slot> {
  const slots = new Map<SlotKey, Slot>();
  const keyOf = isGlobal(service) ? (t: Task) => t.nodeId : (t: Task) => t.slot;
  for (const task of tasks) {
    const slot = slots.get(keyOf(task));
    if (slot === undefined) slots.set(keyOf(task), { key: keyOf(task), tasks: [task] });
    else slot.tasks.push(task);
  }
  for (const slot of slots.values())
    if (slot.tasks.length > 1) slot.tasks.sort((a, b) => a.meta.createdAt - b.meta.createdAt);
  return slots;
}

export const wantedOf = (slot: Slot): Task[] => slot.tasks.filter((t) => isWanted(t.desired));

/** The newest task that is not on its way out for good; undefined in a slot that is being removed. */
export const newestOf = (slot: Slot): Task | undefined =>
  slot.tasks.findLast((t) => t.desired !== 'remove');

/** It ended by itself, rather than by the manager's wish or with its node. */
export const endedItself = ({ status: { state } }: Task): boolean =>
  state === 'complete' || state === 'failed' || state === 'rejected';

/** Nothing in the slot is wanted: its newest task ended for good, or all of it is being removed. */
export const isIdle = (slot: Slot): boolean => !slot.tasks.some((t) => isWanted(t.desired));

/** A wanted task of the slot runs. */
export const runs = (slot: Slot): boolean =>
  slot.tasks.some((t) => isWanted(t.desired) && t.status.state === 'running');
