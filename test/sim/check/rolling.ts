import type { Service, Task } from '../../../domain/model/objects.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import type { Store } from '../../../domain/store/store.ts';
import { isTerminal, isWanted } from '../../../domain/task-state.ts';
import type { Seen } from './audit.ts';
import { placeOf } from './slots.ts';
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
    const voluntary = made.filter((step) => tookHealthy(step, store, applied));
    const busy = [...store.tasksOfService(serviceId)].filter(
      (task) => task.byUpdate === true && task.specVersion === service.specVersion && onItsWay(task),
    );
    if (voluntary.length > 0 && busy.length > parallelism)
      throw new Violation(
        'rolling',
        `record ${seq}: ${busy.length} slots of ${service.spec.Name} are being updated, parallelism ${parallelism}`,
      );
  }
}

function parallelismOf({ spec, updateStatus }: Service): number {
  const rollback = updateStatus?.state.startsWith('rollback') === true;
  return (rollback ? spec.RollbackConfig : spec.UpdateConfig)?.Parallelism ?? 1;
}

const onItsWay = (task: Task): boolean =>
  task.runningAt === undefined && isWanted(task.desired) && !isTerminal(task.status.state);

/** The slot had a task that ran well on a good node before this step. */
function tookHealthy(step: Task, store: Store, applied: readonly Applied[]): boolean {
  for (const other of store.tasksOfService(step.serviceId)) {
    if (other.id === step.id || placeOf(other) !== placeOf(step)) continue;
    const change = applied.find(({ kind, id }) => kind === 'task' && id === other.id);
    const before = (change?.before ?? other) as Task;
    const node = store.node(before.nodeId);
    if (
      isWanted(before.desired) &&
      before.status.state === 'running' &&
      node?.status.state === 'ready' &&
      node.spec.Availability !== 'drain'
    )
      return true;
  }
  return false;
}
