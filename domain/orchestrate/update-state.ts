import type { Service, Task } from '../model/objects.ts';

/** How the running update or rollback goes, with Swarm's defaults filled in. Times in ms. */
export interface Rollout {
  /** Slots at the same time; infinity for all. */
  readonly parallelism: number;
  readonly delayMs: number;
  /** How long after reaching `running` the end of a task still counts as the update's failure. */
  readonly monitorMs: number;
  readonly action: 'pause' | 'continue' | 'rollback';
  readonly failureRatioMax: number;
  readonly startFirst: boolean;
}

const nsPerMs = 1e6;
const monitorNsDefault = 5e9;

export function rolloutOf(service: Service): Rollout {
  const { UpdateConfig, RollbackConfig } = service.spec;
  const config = isRollback(service) ? RollbackConfig : UpdateConfig;
  const parallelism = config?.Parallelism ?? 1;
  // Swarm does not check a RollbackConfig, so negative durations are possible there.
  const delayMs = Math.max(0, (config?.Delay ?? 0) / nsPerMs);
  const monitorNs = config?.Monitor ?? 0;
  const monitorMs = (monitorNs > 0 ? monitorNs : monitorNsDefault) / nsPerMs;
  return {
    parallelism: parallelism === 0 ? Number.POSITIVE_INFINITY : parallelism,
    delayMs,
    monitorMs: delayMs >= monitorMs ? delayMs + 1_000 : monitorMs,
    action: config?.FailureAction ?? 'pause',
    failureRatioMax: config?.MaxFailureRatio ?? 0,
    startFirst: config?.Order === 'start-first',
  };
}

const stateOf = (service: Service) => service.updateStatus?.state;

export const isRollback = (service: Service): boolean =>
  stateOf(service)?.startsWith('rollback') === true;

export const isActive = (service: Service): boolean =>
  stateOf(service) === 'updating' || stateOf(service) === 'rollback_started';

export const isPaused = (service: Service): boolean =>
  stateOf(service) === 'paused' || stateOf(service) === 'rollback_paused';

/** The spec version whose update made the task, or took it over from an earlier one that had come halfway. */
export const updateOf = ({ byUpdate, takenOverBy, specVersion }: Task): number | undefined =>
  byUpdate === true ? (takenOverBy ?? specVersion) : undefined;
