import type { Task, TaskStatus } from '../../domain/model/objects.ts';
import { taskStateRank } from '../../domain/task-state.ts';
import { filled, goTime, metaOf } from './meta.ts';
import { portsView, taskSpecView } from './service.ts';

/** Agents report a container from `starting` on, even where there is none (swarm-compat §2.5). */
function containerStatus({ state, container }: TaskStatus) {
  if (container === undefined && taskStateRank[state] < taskStateRank.starting) return {};
  return {
    ContainerStatus: {
      ContainerID: container?.id ?? '',
      PID: container?.pid ?? 0,
      ExitCode: container?.exitCode ?? 0,
    },
  };
}

const statusView = (status: TaskStatus) => ({
  Timestamp: goTime(status.at),
  State: status.state,
  ...filled('Message', status.message),
  ...filled('Err', status.err),
  ...containerStatus(status),
  PortStatus: portsView(status.ports),
});

/** Task of Docker's API (swarm-compat §2.5). */
export function taskView(task: Task) {
  const { Runtime: _, ...spec } = taskSpecView(task.spec);
  return {
    ...metaOf(task),
    Labels: {},
    Spec: spec,
    ServiceID: task.serviceId,
    ...filled('Slot', task.slot),
    ...filled('NodeID', task.nodeId),
    Status: statusView(task.status),
    DesiredState: task.desired,
    Volumes: null,
  };
}
