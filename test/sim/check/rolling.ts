import type { Service, Task } from '../../../domain/model/objects.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import type { Store } from '../../../domain/store/store.ts';
import { isSuspended } from '../../../domain/assign/node-state.ts';
import { updateOf } from '../../../domain/orchestrate/update-state.ts';
import { isTerminal, isWanted } from '../../../domain/task-state.ts';
import type { Seen } from './audit.ts';
import { nodesThatCameBack, placeOf } from './slots.ts';
import { Violation } from './violation.ts';

/** A rolling update or rollback touches a healthy task only while fewer slots than its parallelism are on their way. */
export function checkRolling({ seq, applied, store }: Seen): void {
  const steps = new Map<string, Task[]>();
  for (const change of applied)
    if (change.kind === 'task' && change.before === undefined && change.after?.byUpdate === true) {
      const { serviceId } = change.after;
      steps.set(serviceId, [...(steps.get(serviceId) ?? []), change.after]);
    }
  for (const [serviceId, made] of steps) {
    const service = store.service(serviceId);
    const parallelism = service === undefined ? 0 : parallelismOf(service);
    if (service === undefined || parallelism === 0) continue;
    const cameBack = nodesThatCameBack(applied);
    const voluntary = made.filter((step) => tookHealthy(step, store, applied, cameBack));
    const busy = [...store.tasksOfService(serviceId)].filter(
      (task) =>
        updateOf(task) === service.specVersion &&
        onItsWay(task) &&
        (task.slot > 0 || !(cameBack.has(task.nodeId) || isLeftAlone(store, task.nodeId))),
    );
    if (voluntary.length > 0 && busy.length > parallelism)
      throw new Violation(
        'rolling',
        `record ${seq}: ${busy.length} slots of ${service.spec.Name} are being updated, parallelism ${parallelism}`,
      );
  }
}

/** What a global service has on a node that is paused, held for what may come back, or resting stays as it is. */
function isLeftAlone(store: Store, nodeId: string): boolean {
  const node = store.node(nodeId);
  return node !== undefined && isSuspended(node);
}

function parallelismOf({ spec, updateStatus }: Service): number {
  const rollback = updateStatus?.state.startsWith('rollback') === true;
  return (rollback ? spec.RollbackConfig : spec.UpdateConfig)?.Parallelism ?? 1;
}

const onItsWay = (task: Task): boolean =>
  task.runningAt === undefined && isWanted(task.desired) && !isTerminal(task.status.state);

/** The task as it was when this record took its wish to run away; one record holds the decisions of many. */
function stoppedBy(applied: readonly Applied[], taskId: string): Task | undefined {
  for (const { kind, before, after } of applied)
    if (kind === 'task' && before?.id === taskId && isWanted(before.desired))
      if (after === undefined || !isWanted(after.desired)) return before;
  return undefined;
}

/** The slot had a task that ran well on a good node before this step. */
function tookHealthy(
  step: Task,
  store: Store,
  applied: readonly Applied[],
  cameBack: ReadonlySet<string>,
): boolean {
  const others = [...store.tasksOfService(step.serviceId)].filter(
    (other) => other.id !== step.id && placeOf(other) === placeOf(step),
  );
  // The update had come to this slot before, and goes on in it.
  if (others.some((t) => updateOf(t) === step.specVersion)) return false;
  for (const other of others) {
    const before = stoppedBy(applied, other.id) ?? other;
    const node = store.node(before.nodeId);
    if (
      isWanted(before.desired) &&
      before.status.state === 'running' &&
      node?.status.state === 'ready' &&
      !cameBack.has(node.id) &&
      node.spec.Availability !== 'drain'
    )
      return true;
  }
  return false;
}
