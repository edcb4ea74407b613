import type { Service, Task } from '../../domain/model/objects.ts';
import type { ContainerSpec, ServiceSpec, TaskSpec } from '../../domain/model/spec.ts';
import { insertDefaults } from '../../domain/spec/defaults.ts';
import { filledList, goTime, metaOf } from './meta.ts';
import { fieldsOf, type readPorts, readServiceSpec, readTaskSpec, textOf } from './readable.ts';

/** A stored spec is what Docker shows, but for the credentials in it. */
function containerView(spec: ContainerSpec): Omit<ContainerSpec, 'PullOptions'> {
  const shown: { PullOptions?: unknown } & Omit<ContainerSpec, 'PullOptions'> = { ...spec };
  delete shown.PullOptions;
  return shown;
}

export function taskSpecView(stored: TaskSpec) {
  const spec = readTaskSpec(stored);
  return { ...spec, ContainerSpec: containerView(spec.ContainerSpec) };
}

const specView = (spec: ServiceSpec) => ({
  ...spec,
  TaskTemplate: {
    ...taskSpecView(spec.TaskTemplate),
    Runtime: spec.TaskTemplate.Runtime ?? 'container',
  },
});

/** What is published now. Swarm fills it only for services that have ports or networks. */
function endpointView({ EndpointSpec, TaskTemplate }: ServiceSpec) {
  const ports = EndpointSpec?.Ports ?? [];
  // a network of the engine gets an entry without an address
  const virtualIps =
    EndpointSpec?.Mode === 'dnsrr'
      ? []
      : (TaskTemplate.Networks ?? []).map(({ Target }) => ({ NetworkID: Target }));
  if (ports.length === 0 && virtualIps.length === 0) return { Spec: {} };
  return {
    Spec: EndpointSpec ?? {},
    ...filledList('Ports', ports),
    ...filledList('VirtualIPs', virtualIps),
  };
}

function updateStatusView(stored: unknown) {
  const { state, startedAt, completedAt, message } = fieldsOf(stored);
  return {
    State: textOf(state),
    ...(startedAt === undefined ? {} : { StartedAt: goTime(startedAt) }),
    ...(completedAt === undefined ? {} : { CompletedAt: goTime(completedAt) }),
    Message: textOf(message),
  };
}

/** Service of Docker's API (swarm-compat §2.5). `withDefaults`: swarm-compat §3.2. */
export function serviceView(service: Service, withDefaults = false) {
  const { previousSpec, updateStatus } = service;
  const spec = readServiceSpec(service.spec);
  return {
    ...metaOf(service),
    Spec: specView(withDefaults ? insertDefaults(spec) : spec),
    ...(previousSpec === undefined
      ? {}
      : { PreviousSpec: specView(readServiceSpec(previousSpec)) }),
    Endpoint: endpointView(spec),
    ...(updateStatus === undefined ? {} : { UpdateStatus: updateStatusView(updateStatus) }),
  };
}

/** States of an update whose message Swarm leaves at "in progress". */
const underWay: ReadonlySet<string> = new Set(['updating', 'rollback_started']);

/** With the reasons why the service is not as it should be; the CLI shows those of an update in its message. */
export function explainedService(
  shown: ReturnType<typeof serviceView>,
  reasons: readonly string[],
) {
  const { UpdateStatus: status } = shown;
  const isExplained = status !== undefined && reasons.length > 0 && underWay.has(status.State);
  return {
    ...shown,
    ...(isExplained && {
      UpdateStatus: { ...status, Message: `${status.Message}: ${reasons.join('; ')}` },
    }),
    ...filledList('Reasons', reasons),
  };
}

/** ServiceStatus, for lists with `status=true`. */
export function serviceStatus(service: Service, tasks: Iterable<Task>) {
  let running = 0;
  let wanted = 0;
  for (const task of tasks) {
    if (fieldsOf(task.status)['state'] === 'running') running += 1;
    if (task.desired === 'running') wanted += 1;
  }
  return {
    RunningTasks: running,
    DesiredTasks: readServiceSpec(service.spec).Mode.Replicated?.Replicas ?? wanted,
    CompletedTasks: 0,
  };
}

export const modeOf = (service: Service): string =>
  readServiceSpec(service.spec).Mode.Global === undefined ? 'replicated' : 'global';

export const portsView = (ports: ReturnType<typeof readPorts>) => filledList('Ports', ports);
