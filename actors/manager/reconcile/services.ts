import type { Node, Task } from '../../../domain/model/objects.ts';
import { planService } from '../../../domain/orchestrate/plan-service.ts';
import { servicePhase } from '../../../domain/orchestrate/service-phase.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import type { View } from '../../../domain/store/view.ts';
import { taskStateRank } from '../../../domain/task-state.ts';
import { commonPace, type ObjectReconciler } from './reconciler.ts';

/** The tasks of each service, and its update. */
export const services: ObjectReconciler = {
  name: 'services',
  field: 'service',
  pace: commonPace,
  *all(view) {
    for (const { id } of view.list('service')) yield id;
    // a deleted service may have left tasks behind
    for (const { serviceId } of view.list('task')) yield serviceId;
  },
  *keys(applied, view) {
    for (const change of applied)
      if (change.kind === 'service') yield change.id;
      else if (change.kind === 'task') yield* ofTask(change.before, change.after);
      else if (change.kind === 'node' && nodeMattersToPlans(change))
        for (const { serviceId } of view.tasksOfNode(change.id)) yield serviceId;
    if (applied.some((change) => change.kind === 'node' && nodeMattersToPlans(change)))
      for (const { id, spec } of view.list('service')) if (spec.Mode.Global !== undefined) yield id;
  },
  plan: planService,
  phase: servicePhase,
  isGone: (view, id) => view.service(id) === undefined && !hasTasks(view, id),
};

/** Between a node's acceptance and `running` a plan has nothing to decide. */
function ofTask(before: Task | undefined, after: Task | undefined): readonly string[] {
  const task = after ?? before;
  const matters =
    before === undefined ||
    after === undefined ||
    before.desired !== after.desired ||
    taskStateRank[after.status.state] >= taskStateRank.running;
  return task !== undefined && matters ? [task.serviceId] : [];
}

function hasTasks(view: View, serviceId: string): boolean {
  for (const _ of view.tasksOfService(serviceId)) return true;
  return false;
}

/** Something of the node has changed that plans look at. */
export const nodeMattersToPlans = ({ before, after }: NodeChange): boolean =>
  before === undefined || after === undefined || !sameForPlans(before, after);
type NodeChange = Extract<Applied, { kind: 'node' }>;

const sameForPlans = (a: Node, b: Node): boolean =>
  a.spec === b.spec &&
  a.status.state === b.status.state &&
  a.status.addr === b.status.addr &&
  a.role === b.role &&
  a.heldUntil === b.heldUntil &&
  a.restUntil === b.restUntil &&
  a.description === b.description;
