import type { Node, Service, Task } from '../../../domain/model/objects.ts';
import { isSuspended, mayRunOn } from '../../../domain/assign/node-state.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import type { Store } from '../../../domain/store/store.ts';
import { isTerminal, taskStateRank } from '../../../domain/task-state.ts';
import type { Seen } from './audit.ts';
import { Violation } from './violation.ts';

/** How long swarm waits for an old task to stop before its replacement starts all the same, ms (swarm-compat §4.3). */
const stopWaitMs = 60_000;

/** The place of a task in its service, for which at most one container should run. */
export const placeOf = (task: Pick<Task, 'serviceId' | 'slot' | 'nodeId'>): string =>
  `${task.serviceId}/${task.slot > 0 ? task.slot : task.nodeId}`;

/** Two tasks of a slot may run at the same time during a start-first update or rollback. */
export const mayOverlap = (service: Service): boolean =>
  [service.spec, service.previousSpec].some(
    (spec) =>
      spec?.UpdateConfig?.Order === 'start-first' || spec?.RollbackConfig?.Order === 'start-first',
  );

/** A record holds many decisions: some of them may have been taken while these nodes were down, drained or left alone. */
export const nodesThatCameBack = (applied: readonly Applied[]): ReadonlySet<string> =>
  new Set(
    applied.flatMap(({ kind, id, before }) =>
      kind === 'node' && before !== undefined && isOutOfUse(before) ? [id] : [],
    ),
  );

const isOutOfUse = (node: Node): boolean =>
  node.status.state === 'down' || node.spec.Availability === 'drain' || isSuspended(node);

/** A task is told to run only when nothing else in its slot can still be running on a node that answers. */
export function checkExclusive({ seq, entry, applied, store }: Seen): void {
  const cameBack = nodesThatCameBack(applied);
  for (const change of applied) {
    if (change.kind !== 'task' || change.after?.desired !== 'running') continue;
    const { before, after } = change;
    if (before?.desired === 'running') continue;
    const service = store.service(after.serviceId);
    if (service === undefined || mayOverlap(service)) continue;
    if (entry.at - after.meta.createdAt >= stopWaitMs) continue;
    for (const other of store.tasksOfService(after.serviceId))
      if (
        other.id !== after.id &&
        placeOf(other) === placeOf(after) &&
        mayStillRun(store, other) &&
        !cameBack.has(other.nodeId)
      )
        throw new Violation(
          'exclusive',
          `record ${seq}: task ${after.id} is to run while ${other.id} of its slot is ${other.status.state} (desired ${other.desired})`,
        );
  }
}

/** Tasks of slots that were scaled away do not hold up new ones, in Swarm too. */
function mayStillRun(store: Store, task: Task): boolean {
  const node = store.node(task.nodeId);
  return (
    task.desired !== 'remove' &&
    taskStateRank[task.status.state] >= taskStateRank.assigned &&
    !isTerminal(task.status.state) &&
    (node === undefined || mayRunOn(node))
  );
}
