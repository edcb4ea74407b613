import { limits } from '../limits.ts';
import type { Change } from '../store/changes.ts';
import type { Context, View } from '../store/view.ts';
import { cover } from './global.ts';
import { prune } from './history.ts';
import type { Plan } from './plan.ts';
import { scale } from './replicated.ts';
import { mend, promote } from './restart.ts';
import { isOver, Sheet } from './sheet.ts';
import { isGlobal } from './slot.ts';
import { advance, begin, judge } from './update.ts';

/**
 * Everything that is to be done for one service now: its tasks and its update. Called whenever the service, one of
 * its tasks or a node that matters to it changed, at `wakeAt`, and with the id of a deleted service until its last
 * task is gone. Made again on its own result, at the same time, it changes nothing. Costs O(tasks of the service),
 * and O(nodes) for a global one.
 */
export function planService(view: View, serviceId: string, ctx: Context): Plan {
  const service = view.service(serviceId);
  if (service === undefined) return planRemoved(view, serviceId, ctx);
  const sheet = new Sheet(view, service, ctx);
  if (!judge(sheet)) {
    sheet.wake(ctx.now);
    return sheet.plan();
  }
  const slots = isGlobal(service) ? cover(sheet) : scale(sheet);
  begin(sheet, slots);
  for (const slot of slots) mend(sheet, slot);
  advance(sheet, slots);
  for (const slot of sheet.slots.values()) {
    promote(sheet, slot);
    prune(sheet, slot);
  }
  return sheet.plan();
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
