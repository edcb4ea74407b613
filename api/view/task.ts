import type { Task } from '../../domain/model/objects.ts';
import { taskStateRank } from '../../domain/task-state.ts';
import { filled, goTime, metaOf } from './meta.ts';
import { countOf, fieldsOf, integerOf, readPorts, textOf } from './readable.ts';
import { portsView, taskSpecView } from './service.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Agents report a container from `starting` on, even where there is none (swarm-compat §2.5). */
function containerStatus(state: string, stored: unknown) {
  const rank = Object.hasOwn(taskStateRank, state)
    ? taskStateRank[state as Task['status']['state']]
    : 0;
  if (stored === undefined && rank < taskStateRank.starting) return {};
  const { id, pid, exitCode } = fieldsOf(stored);
  return {
    ContainerStatus: {
      ContainerID: textOf(id),
      PID: integerOf(pid),
      ExitCode: integerOf(exitCode),
    },
  };
}

function statusView({ at, state, message, err, container, ports }: Fields) {
  return {
    Timestamp: goTime(at),
    State: textOf(state),
    ...filled('Message', textOf(message)),
    ...filled('Err', textOf(err)),
    ...containerStatus(textOf(state), container),
    PortStatus: portsView(readPorts(ports)),
  };
}

/** Task of Docker's API (swarm-compat §2.5). */
export function taskView(task: Task) {
  const { Runtime: _, ...spec } = taskSpecView(task.spec);
  return {
    ...metaOf(task),
    Labels: {},
    Spec: spec,
    ServiceID: textOf(task.serviceId),
    ...filled('Slot', countOf(task.slot)),
    ...filled('NodeID', textOf(task.nodeId)),
    Status: statusView(fieldsOf(task.status)),
    DesiredState: textOf(task.desired),
    Volumes: null,
  };
}
