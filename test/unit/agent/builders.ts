import type { Task, TaskStatus } from '../../../domain/model/objects.ts';
import type { DesiredState, TaskState } from '../../../domain/task-state.ts';

export interface TaskOptions {
  readonly state?: TaskState;
  readonly desired?: DesiredState;
  readonly graceNs?: number;
}

export const buildTask = (id: string, options: TaskOptions = {}): Task => ({
  id,
  meta: { version: 1, createdAt: 0, updatedAt: 0 },
  serviceId: 's',
  slot: 1,
  nodeId: 'n1',
  spec: {
    ContainerSpec: {
      Image: 'i',
      ...(options.graceNs === undefined ? {} : { StopGracePeriod: options.graceNs }),
    },
    ForceUpdate: 0,
  },
  specVersion: 1,
  serviceName: 'web',
  serviceLabels: {},
  status: { state: options.state ?? 'assigned', at: 0, message: '' },
  desired: options.desired ?? 'running',
});

/** `failed (started): task: non-zero exit (1)` */
export const line = ({ state, message, err }: TaskStatus): string =>
  `${state} (${message})${err === undefined ? '' : `: ${err}`}`;
