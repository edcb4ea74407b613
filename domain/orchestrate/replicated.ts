import { newTask } from './new-task.ts';
import type { ServicePlanBuilder } from './service-plan-builder.ts';
import { newestOf, runs, type Slot, wantedOf } from './slot.ts';

/**
 * Brings the number of slots to what the spec says (swarm-compat §4.2). Slots that stay are left as they are; answers
 * them, new ones included.
 */
export function reconcileReplicas(builder: ServicePlanBuilder): readonly Slot[] {
  const replicas = builder.service.spec.Mode.Replicated?.Replicas ?? 1;
  const slots = [...builder.slots.values()].filter((slot) => newestOf(slot) !== undefined);
  const leaving = surplus(slots, replicas);
  for (const slot of leaving) for (const task of slot.tasks) builder.remove(slot, task);
  const gone = new Set(leaving);
  return [...slots.filter((slot) => !gone.has(slot)), ...added(builder, slots, replicas)];
}

/** New slots under the lowest free numbers. */
function added(
  builder: ServicePlanBuilder,
  slots: readonly Slot[],
  replicas: number,
): readonly Slot[] {
  const taken = new Set(slots.map(({ key }) => key));
  const made: Slot[] = [];
  for (let key = 1; slots.length + made.length < replicas; key++) {
    if (taken.has(key)) continue;
    if (builder.isFull) {
      builder.wake(builder.now);
      break;
    }
    const slot = builder.slot(key);
    builder.create(slot, newTask(builder.service, key, builder.now, { desired: 'running' }));
    made.push(slot);
  }
  return made;
}

/**
 * The slots that go when only `count` stay: those whose task is the n-th of the service on its node, highest n first,
 * so that what stays is spread well. What has no node, or more than one task, goes before all.
 */
function surplus(slots: readonly Slot[], count: number): readonly Slot[] {
  if (slots.length <= count) return [];
  const perNode = new Map<string, number>();
  const ranked = slots.toSorted(runningThenLower).map((slot) => {
    const wanted = wantedOf(slot);
    const task = wanted.length === 0 ? newestOf(slot) : wanted[0];
    if (task === undefined || task.nodeId === '' || wanted.length > 1)
      return { slot, place: Number.POSITIVE_INFINITY };
    const place = (perNode.get(task.nodeId) ?? 0) + 1;
    perNode.set(task.nodeId, place);
    return { slot, place };
  });
  // Not by difference: infinity minus infinity is no number.
  ranked.sort((a, b) => (a.place === b.place ? 0 : a.place < b.place ? -1 : 1));
  return ranked.slice(count).map(({ slot }) => slot);
}

const runningThenLower = (a: Slot, b: Slot): number =>
  Number(runs(b)) - Number(runs(a)) || Number(a.key) - Number(b.key);
