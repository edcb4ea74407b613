import { limits } from '../limits.ts';
import type { Change } from '../store/changes.ts';
import type { Context, View } from '../store/view.ts';
import { reconcileGlobal } from './global.ts';
import { pruneHistory } from './history.ts';
import type { Plan } from './plan.ts';
import { reconcileReplicas } from './replicated.ts';
import { repairSlot, promote } from './restart.ts';
import { isOver, ServicePlanBuilder } from './service-plan-builder.ts';
import { isGlobal } from './slot.ts';
import { advanceUpdate, begin, countUpdateFailures } from './update.ts';

/**
 * Everything that is to be done for one service now: its tasks and its update. Called whenever the service, one of
 * its tasks or a node that matters to it changed, at `wakeAt`, and with the id of a deleted service until its last
 * task is gone. Made again on its own result, at the same time, it changes nothing. Costs O(tasks of the service),
 * and O(nodes) for a global one.
 */
export function planService(view: View, serviceId: string, ctx: Context): Plan {
  const service = view.service(serviceId);
  if (service === undefined) return planRemoved(view, serviceId, ctx);
  const builder = new ServicePlanBuilder(view, service, ctx);
  if (!countUpdateFailures(builder)) {
    builder.wake(ctx.now);
    return builder.plan();
  }
  const slots = isGlobal(service) ? reconcileGlobal(builder) : reconcileReplicas(builder);
  begin(builder, slots);
  for (const slot of slots) repairSlot(builder, slot);
  advanceUpdate(builder, slots);
  for (const slot of builder.slots.values()) {
    promote(builder, slot);
    pruneHistory(builder, slot);
  }
  return builder.plan();
}

/** The service is deleted: its tasks stop, and go once they have. */
function planRemoved(view: View, serviceId: string, ctx: Context): Plan {
  const changes: Change[] = [];
  for (const task of view.tasksOfService(serviceId)) {
    if (changes.length >= limits.planChangesMax) return { changes, wakeAt: ctx.now };
    if (isOver(view, task)) changes.push({ op: 'delete', kind: 'task', id: task.id });
    else if (task.desired !== 'remove')
      changes.push({ op: 'patch', kind: 'task', id: task.id, fields: { desired: 'remove' } });
  }
  return { changes };
}
