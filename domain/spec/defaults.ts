import type { ServiceSpec, UpdateConfig } from '../model/spec.ts';

const second = 1e9;
const updateDefaults: UpdateConfig = {
  Parallelism: 1,
  FailureAction: 'pause',
  Monitor: 5 * second,
  MaxFailureRatio: 0,
  Order: 'stop-first',
};

const updateConfig = (config: UpdateConfig | undefined): UpdateConfig =>
  config === undefined ? updateDefaults : { ...config, Monitor: config.Monitor ?? 5 * second };

/** The defaults that `insertDefaults=true` shows (swarm-compat §3.2); only missing parts are filled. */
export function insertDefaults(spec: ServiceSpec): ServiceSpec {
  const { TaskTemplate } = spec;
  const { ContainerSpec, RestartPolicy } = TaskTemplate;
  return {
    ...spec,
    TaskTemplate: {
      ...TaskTemplate,
      ContainerSpec: {
        ...ContainerSpec,
        StopGracePeriod: ContainerSpec.StopGracePeriod ?? 10 * second,
        DNSConfig: ContainerSpec.DNSConfig ?? {},
      },
      Resources: TaskTemplate.Resources ?? {},
      RestartPolicy: {
        Condition: 'any',
        MaxAttempts: 0,
        ...RestartPolicy,
        Delay: RestartPolicy?.Delay ?? 5 * second,
      },
      Placement: TaskTemplate.Placement ?? {},
    },
    UpdateConfig: updateConfig(spec.UpdateConfig),
    RollbackConfig: updateConfig(spec.RollbackConfig),
  };
}
