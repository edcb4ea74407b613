import type { Service, Task, TaskStatus } from '../model/objects.ts';
import { templateFrom } from '../model/template.ts';
import type { Draft } from '../store/changes.ts';
import { isGlobal, type SlotKey } from './slot.ts';

type Extras = Partial<Pick<Task, 'desired' | 'startAfter' | 'replaces' | 'byUpdate' | 'restarts'>>;

/** A task of the service as it is now. It waits for `ready` unless `extras` says more. */
export function newTask(
  service: Service,
  key: SlotKey,
  now: number,
  extras: Extras,
): Omit<Draft<'task'>, 'id'> {
  return {
    ...templateFrom(service),
    slot: typeof key === 'number' ? key : 0,
    nodeId: isGlobal(service) && typeof key === 'string' ? key : '',
    status: firstStatus(now),
    desired: 'ready',
    ...extras,
  };
}

/**
 * Tasks are born `pending`: they need nothing but a node. Where something must be allocated for them first
 * (addresses of overlay networks), they start as `new` and the allocator moves them on.
 */
const firstStatus = (now: number): TaskStatus => ({
  state: 'pending',
  at: now,
  message: 'pending task scheduling',
});
