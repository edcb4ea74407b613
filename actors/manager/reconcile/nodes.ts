import { planNode } from '../../../domain/orchestrate/plan-node.ts';
import type { View } from '../../../domain/store/view.ts';
import { commonPace, type ObjectReconciler } from './reconciler.ts';
import { nodeMattersToPlans } from './services.ts';

/** What a node's state means for the tasks that it has. */
export const nodes: ObjectReconciler = {
  name: 'node-plans',
  field: 'member',
  pace: commonPace,
  *all(view) {
    for (const { id } of view.list('node')) yield id;
  },
  *keys(applied) {
    for (const change of applied)
      if (change.kind === 'node' && nodeMattersToPlans(change)) yield change.id;
  },
  needsActor,
  plan: planNode,
  isGone: (view, id) => view.node(id) === undefined,
};

/** A node without tasks needs no plan: the scheduler already refuses what its state forbids. */
function needsActor(view: View, id: string): boolean {
  const node = view.node(id);
  if (node?.heldUntil !== undefined || node?.restUntil !== undefined) return true;
  for (const _ of view.tasksOfNode(id)) return true;
  return false;
}
