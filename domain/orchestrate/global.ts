import type { Node } from '../model/objects.ts';
import { nodeMatches, parseConstraints } from '../schedule/constraint.ts';
import { flawOf } from '../schedule/flaw.ts';
import { newTask } from './new-task.ts';
import { isGivenUp, isHolding } from '../assign/node-state.ts';
import type { Sheet } from './sheet.ts';
import { newestOf, type Slot, wantedOf } from './slot.ts';

/**
 * One task on every node that is not down, not drained and meets the constraints (swarm-compat §4.2). Answers the
 * slots that may be mended and updated: those of nodes that are paused, held or resting stay as they are, and of those
 * whose record cannot be read.
 */
export function cover(sheet: Sheet): readonly Slot[] {
  const { view, service } = sheet;
  const constraints = parseConstraints(service.spec.TaskTemplate.Placement?.Constraints ?? []);
  const slots: Slot[] = [];
  for (const node of view.list('node')) {
    if (!isUsable(node)) withdraw(sheet, node);
    else if (flawOf(node) !== undefined) leave(sheet, node);
    else if (!nodeMatches(constraints, node)) withdraw(sheet, node);
    else if (isHolding(node)) leaveOne(sheet, node);
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

const isUsable = (node: Node): boolean => node.spec.Availability !== 'drain' && !isGivenUp(node);

/** Nobody can tell whether it meets the constraints: what runs there runs on. */
function leave(sheet: Sheet, node: Node): void {
  sheet.note(`the record of node ${node.id} cannot be read`);
  leaveOne(sheet, node);
}

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
