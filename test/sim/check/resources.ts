import type { Store } from '../../../domain/store/store.ts';
import { isTerminal, taskStateRank } from '../../../domain/task-state.ts';
import type { Seen } from './audit.ts';
import { Violation } from './violation.ts';

export interface Reserved {
  readonly nanoCpus: number;
  readonly memoryBytes: number;
}

/** What the tasks that were given to a node and have not ended have reserved there. */
export function reservedOn(store: Store, nodeId: string): Reserved {
  let nanoCpus = 0;
  let memoryBytes = 0;
  for (const { status, spec } of store.tasksOfNode(nodeId)) {
    if (isTerminal(status.state) || taskStateRank[status.state] < taskStateRank.assigned) continue;
    nanoCpus += spec.Resources?.Reservations?.NanoCPUs ?? 0;
    memoryBytes += spec.Resources?.Reservations?.MemoryBytes ?? 0;
  }
  return { nanoCpus, memoryBytes };
}

/** No node is given more tasks than it has resources for. */
export function checkResources({ seq, applied, store }: Seen): void {
  const nodes = new Set<string>();
  for (const { kind, before, after } of applied)
    if (
      kind === 'task' &&
      after?.status.state === 'assigned' &&
      before?.status.state !== 'assigned'
    )
      nodes.add(after.nodeId);
  for (const nodeId of nodes) {
    const reserved = reservedOn(store, nodeId);
    const resources = store.node(nodeId)?.description?.resources;
    if (resources === undefined)
      throw new Violation('resources', `task for unknown node ${nodeId}`);
    if (reserved.nanoCpus > resources.nanoCpus || reserved.memoryBytes > resources.memoryBytes)
      throw new Violation(
        'resources',
        `record ${seq}: node ${nodeId} has ${JSON.stringify(resources)}, reserved ${JSON.stringify(reserved)}`,
      );
  }
}
