import type { Service, Task, UpdateStatus } from '../../domain/model/objects.ts';
import type { ContainerSpec, ServiceSpec, TaskSpec } from '../../domain/model/spec.ts';
import { insertDefaults } from '../../domain/spec/defaults.ts';
import { filledList, goTime, metaOf } from './meta.ts';

/** A stored spec is what Docker shows, but for the credentials in it. */
function containerView(spec: ContainerSpec): Omit<ContainerSpec, 'PullOptions'> {
  const shown: { PullOptions?: unknown } & Omit<ContainerSpec, 'PullOptions'> = { ...spec };
  delete shown.PullOptions;
  return shown;
}

export const taskSpecView = (spec: TaskSpec) => ({
  ...spec,
  ContainerSpec: containerView(spec.ContainerSpec),
});

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

const updateStatusView = (status: UpdateStatus) => ({
  State: status.state,
  ...(status.startedAt === undefined ? {} : { StartedAt: goTime(status.startedAt) }),
  ...(status.completedAt === undefined ? {} : { CompletedAt: goTime(status.completedAt) }),
  Message: status.message,
});

/** Service of Docker's API (swarm-compat §2.5). `withDefaults`: swarm-compat §3.2. */
export function serviceView(service: Service, withDefaults = false) {
  const { spec, previousSpec, updateStatus } = service;
  return {
    ...metaOf(service),
    Spec: specView(withDefaults ? insertDefaults(spec) : spec),
    ...(previousSpec === undefined ? {} : { PreviousSpec: specView(previousSpec) }),
    Endpoint: endpointView(spec),
    ...(updateStatus === undefined ? {} : { UpdateStatus: updateStatusView(updateStatus) }),
  };
}

/** ServiceStatus, for lists with `status=true`. */
export function serviceStatus(service: Service, tasks: Iterable<Task>) {
  let running = 0;
  let wanted = 0;
  for (const task of tasks) {
    if (task.status.state === 'running') running += 1;
    if (task.desired === 'running') wanted += 1;
  }
  return {
    RunningTasks: running,
    DesiredTasks: service.spec.Mode.Replicated?.Replicas ?? wanted,
    CompletedTasks: 0,
  };
}

export const modeOf = (service: Service): string =>
  service.spec.Mode.Global === undefined ? 'replicated' : 'global';

export const portsView = (ports: TaskPorts) => filledList('Ports', ports);
type TaskPorts = Task['status']['ports'];
