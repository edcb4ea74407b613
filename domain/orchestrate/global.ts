import type { Node } from '../model/objects.ts';
import { nodeMatches, parseConstraints } from '../schedule/constraint.ts';
import { newTask } from './new-task.ts';
import type { Sheet } from './sheet.ts';
import { newestOf, type Slot, wantedOf } from './slot.ts';

/**
 * One task on every node that is not down, not drained and meets the constraints (swarm-compat §4.2). Answers the
 * slots that may be mended and updated: those of paused nodes stay as they are.
 */
export function cover(sheet: Sheet): readonly Slot[] {
  const { view, service } = sheet;
  const constraints = parseConstraints(service.spec.TaskTemplate.Placement?.Constraints ?? []);
  const slots: Slot[] = [];
  for (const node of view.list('node')) {
    if (!isUsable(node) || !nodeMatches(constraints, node)) withdraw(sheet, node);
    else if (node.spec.Availability === 'pause') leaveOne(sheet, node);
    else {
      const slot = sheet.slot(node.id);
      if (newestOf(slot) !== undefined) slots.push(slot);
      else if (sheet.isFull) sheet.wake(sheet.now);
      else sheet.create(slot, newTask(service, node.id, sheet.now, { desired: 'running' }));
    }
  }
  for (const slot of sheet.slots.values())
    if (view.node(String(slot.key)) === undefined)
      for (const task of slot.tasks) sheet.delete(slot, task);
  return slots;
}

const isUsable = (node: Node): boolean =>
  node.spec.Availability !== 'drain' && node.status.state !== 'down';

/** A start-first step that was on its way when the node was paused comes to its end: two must not run on. */
function leaveOne(sheet: Sheet, node: Node): void {
  const slot = sheet.slots.get(node.id);
  if (slot === undefined) return;
  const wanted = wantedOf(slot);
  if (wanted.at(-1)?.status.state !== 'running') return;
  for (const task of wanted.slice(0, -1)) sheet.shutdown(slot, task);
}

function withdraw(sheet: Sheet, node: Node): void {
  const slot = sheet.slots.get(node.id);
  if (slot === undefined) return;
  for (const task of slot.tasks) sheet.shutdown(slot, task);
}
