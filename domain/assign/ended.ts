import type { Task } from '../model/objects.ts';
import type { TaskState } from '../task-state.ts';

/** A task of which the node knows that it has ended: only its container is left. */
export type EndedTask = Pick<
  Task,
  'id' | 'serviceId' | 'specVersion' | 'serviceName' | 'slot' | 'nodeId' | 'desired'
> & { readonly state: TaskState; readonly at: number };

export const endedOf = (task: Task): EndedTask => ({
  id: task.id,
  serviceId: task.serviceId,
  specVersion: task.specVersion,
  serviceName: task.serviceName,
  slot: task.slot,
  nodeId: task.nodeId,
  desired: task.desired,
  state: task.status.state,
  at: task.status.at,
});

/** An ended task has no spec any more: nothing is started of it. */
export const endedTaskFrom = ({ state, at, ...task }: EndedTask): Task => ({
  ...task,
  spec: { ContainerSpec: { Image: '' }, ForceUpdate: 0 },
  serviceLabels: {},
  status: { state, at, message: '' },
  meta: { version: 0, createdAt: at, updatedAt: at },
});

/**
 * Ends that the node itself reported are final; those that the manager declared (`rejected` by the constraint enforcer,
 * `orphaned`) say nothing about the container.
 */
export const hasEndedOnNode = ({ status: { state } }: Pick<Task, 'status'>): boolean =>
  state === 'complete' || state === 'shutdown' || state === 'failed';
