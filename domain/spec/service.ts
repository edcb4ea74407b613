/**
 * Service specs: what a client sends → the canonical form that is stored (what Docker gives back after a round trip
 * through Swarm's store), with Swarm's checks and texts (swarm-compat §2.6, §3.1). The order of the steps is
 * Docker's: decode, daemon's conversion, manager's validation, so that the same mistake is told first.
 */
import { limits } from '../limits.ts';
import type { ServiceMode, ServiceSpec, TaskSpec } from '../model/spec.ts';
import { compact } from './compact.ts';
import { checkContainer, containerFrom, containerType } from './container.ts';
import type { TypeOf } from './decode.ts';
import {
  always,
  bool,
  decode,
  list,
  omitEmpty,
  pointer,
  stringMap,
  struct,
  text,
  uint64,
} from './decode.ts';
import { badRequest, invalid, notYet } from './faults.ts';
import { checkName } from './name.ts';
import { checkNetworks, networksType } from './networks.ts';
import { checkPlacement, placementFrom, placementType } from './placement.ts';
import {
  checkRestart,
  checkUpdateConfig,
  restartFrom,
  restartType,
  updateConfigFrom,
  updateConfigType,
} from './policies.ts';
import { checkEndpoint, endpointFrom, endpointType } from './ports.ts';
import { checkResources, resourcesFrom, resourcesType } from './resources.ts';

const pluginType = struct('runtime.PluginSpec', {
  name: omitEmpty(text()),
  remote: omitEmpty(text()),
  privileges: omitEmpty(
    list(
      struct('runtime.PluginPrivilege', {
        name: omitEmpty(text()),
        description: omitEmpty(text()),
        value: omitEmpty(list(text())),
      }),
      '[]*runtime.PluginPrivilege',
    ),
  ),
  disabled: omitEmpty(bool),
  env: omitEmpty(list(text())),
});

export const taskType = struct('swarm.TaskSpec', {
  ContainerSpec: pointer(containerType),
  PluginSpec: pointer(pluginType),
  NetworkAttachmentSpec: pointer(
    struct('swarm.NetworkAttachmentSpec', { ContainerID: always(text()) }),
  ),
  Resources: pointer(resourcesType),
  RestartPolicy: pointer(restartType),
  Placement: pointer(placementType),
  Networks: omitEmpty(networksType),
  LogDriver: pointer(
    struct('swarm.Driver', { Name: always(text()), Options: omitEmpty(stringMap) }),
  ),
  ForceUpdate: always(uint64),
  Runtime: omitEmpty(text('swarm.RuntimeType')),
});

const modeType = struct('swarm.ServiceMode', {
  Replicated: pointer(struct('swarm.ReplicatedService', { Replicas: pointer(uint64) })),
  Global: pointer(struct('swarm.GlobalService', {})),
  ReplicatedJob: pointer(
    struct('swarm.ReplicatedJob', {
      MaxConcurrent: pointer(uint64),
      TotalCompletions: pointer(uint64),
    }),
    41,
  ),
  GlobalJob: pointer(struct('swarm.GlobalJob', {}), 41),
});

export const serviceType = struct('swarm.ServiceSpec', {
  Name: omitEmpty(text()),
  Labels: always(stringMap),
  TaskTemplate: always(taskType),
  Mode: always(modeType),
  UpdateConfig: pointer(updateConfigType),
  RollbackConfig: pointer(updateConfigType),
  Networks: omitEmpty(networksType),
  EndpointSpec: pointer(endpointType),
});
type Wire = TypeOf<typeof serviceType>;

function taskFrom({ TaskTemplate, Networks, Mode }: Wire): TaskSpec {
  const { ContainerSpec, PluginSpec, Resources, RestartPolicy, Placement } = TaskTemplate;
  const { Runtime = 'container' } = TaskTemplate;
  if (Runtime !== 'container' && Runtime !== 'plugin') throw badRequest('unsupported runtime');
  if (Runtime === 'plugin' && PluginSpec !== undefined) {
    if (Mode.Replicated !== undefined) throw badRequest('plugins must not use replicated mode');
    throw notYet('services of runtime "plugin" are');
  }
  if (Runtime === 'plugin' || ContainerSpec === undefined)
    throw badRequest('mismatched Runtime and *Spec fields');
  return compact({
    ContainerSpec: containerFrom(ContainerSpec),
    Resources: Resources && resourcesFrom(Resources),
    RestartPolicy: RestartPolicy && restartFrom(RestartPolicy),
    Placement: Placement && placementFrom(Placement),
    // The deprecated place counts only where the task has no networks.
    Networks: TaskTemplate.Networks ?? Networks,
    LogDriver: TaskTemplate.LogDriver,
    ForceUpdate: TaskTemplate.ForceUpdate,
    Runtime,
  });
}

function modeFrom(wire: Wire['Mode']): ServiceMode {
  if (Object.keys(wire).length > 1) throw badRequest('must specify only one service mode');
  if (wire.ReplicatedJob !== undefined || wire.GlobalJob !== undefined)
    throw notYet('jobs (modes replicated-job and global-job) are');
  if (wire.Global !== undefined) return { Global: {} };
  return { Replicated: { Replicas: wire.Replicated?.Replicas ?? 1 } };
}

function checkMode(mode: ServiceMode): void {
  const replicas = mode.Replicated?.Replicas ?? 0;
  if (replicas >= 2 ** 63) throw invalid('Number of replicas must be non-negative');
  if (replicas > limits.replicasMax)
    throw invalid(`Number of replicas must be at most ${limits.replicasMax}`);
}

export interface SpecOptions {
  /** Version of the client's API, e.g. `1.51`; '' is the newest. Older clients' newer fields are dropped. */
  readonly apiVersion: string;
  /** Makes a name for a service that came without one. */
  readonly newName: () => string;
}

/** Decodes and converts. Throws the daemon's faults; the result still has to pass `checkServiceSpec`. */
export function convertServiceSpec(input: unknown, options: SpecOptions): ServiceSpec {
  const wire = decode(serviceType, input, options.apiVersion);
  checkNetworks(wire.TaskTemplate.Networks ?? wire.Networks);
  const TaskTemplate = taskFrom(wire);
  const UpdateConfig = wire.UpdateConfig && updateConfigFrom(wire.UpdateConfig);
  const RollbackConfig = wire.RollbackConfig && updateConfigFrom(wire.RollbackConfig);
  const EndpointSpec = wire.EndpointSpec && endpointFrom(wire.EndpointSpec);
  const Mode = modeFrom(wire.Mode);
  const Name = wire.Name ?? options.newName();
  const { Labels } = wire;
  return compact({ Name, Labels, TaskTemplate, Mode, UpdateConfig, RollbackConfig, EndpointSpec });
}

/** The manager's rules for a canonical spec; throws its faults. */
export function checkServiceSpec(spec: ServiceSpec): void {
  const { TaskTemplate } = spec;
  checkName(spec.Name);
  checkResources(TaskTemplate.Resources);
  checkRestart(TaskTemplate.RestartPolicy);
  checkPlacement(TaskTemplate.Placement);
  checkContainer(TaskTemplate.ContainerSpec);
  checkMode(spec.Mode);
  checkUpdateConfig(spec.UpdateConfig);
  checkEndpoint(spec.EndpointSpec);
}

/**
 * Only the type check of the decoding, for a front that must tell a bad body before anything else
 * (swarm-compat §2.1, order of checks).
 */
export function checkServiceBody(input: unknown): void {
  decode(serviceType, input);
}
