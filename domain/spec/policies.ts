/** Restart policy, update and rollback configuration. */
import type { RestartPolicy, UpdateConfig } from '../model/spec.ts';
import { compact } from './compact.ts';
import type { TypeOf } from './decode.ts';
import { always, duration, float32, omitEmpty, pointer, struct, text, uint64 } from './decode.ts';
import { badRequest, invalid } from './faults.ts';
import { quote } from './go-text.ts';

export const restartType = struct('swarm.RestartPolicy', {
  Condition: omitEmpty(text('swarm.RestartPolicyCondition')),
  Delay: pointer(duration),
  MaxAttempts: pointer(uint64),
  Window: pointer(duration),
});

export function restartFrom(wire: TypeOf<typeof restartType>): RestartPolicy {
  const Condition = wire.Condition ?? 'any';
  if (Condition !== 'none' && Condition !== 'on-failure' && Condition !== 'any')
    throw badRequest(`invalid RestartCondition: ${quote(Condition)}`);
  const { Delay, MaxAttempts = 0, Window } = wire;
  return compact({ Condition, Delay, MaxAttempts, Window } as const);
}

export function checkRestart(policy: RestartPolicy | undefined): void {
  if ((policy?.Delay ?? 0) < 0) throw invalid('TaskSpec: restart-delay cannot be negative');
  if ((policy?.Window ?? 0) < 0) throw invalid('TaskSpec: restart-window cannot be negative');
}

export const updateConfigType = struct('swarm.UpdateConfig', {
  Parallelism: always(uint64),
  Delay: omitEmpty(duration),
  FailureAction: omitEmpty(text()),
  Monitor: omitEmpty(duration),
  MaxFailureRatio: always(float32),
  Order: omitEmpty(text()),
});

export function updateConfigFrom(wire: TypeOf<typeof updateConfigType>): UpdateConfig {
  const { FailureAction = 'pause', Order = 'stop-first' } = wire;
  if (FailureAction !== 'pause' && FailureAction !== 'continue' && FailureAction !== 'rollback')
    throw badRequest(`unrecognized update failure action ${FailureAction}`);
  if (Order !== 'stop-first' && Order !== 'start-first')
    throw badRequest(`unrecognized update order ${Order}`);
  const { Parallelism, Delay, Monitor, MaxFailureRatio } = wire;
  return compact({ Parallelism, Delay, FailureAction, Monitor, MaxFailureRatio, Order } as const);
}

/** Swarm checks the update configuration only, never the one for rollbacks. */
export function checkUpdateConfig(config: UpdateConfig | undefined): void {
  if (config === undefined) return;
  const { Delay = 0, Monitor = 0, MaxFailureRatio } = config;
  if (Delay < 0) throw invalid('TaskSpec: update-delay cannot be negative');
  if (Monitor < 0) throw invalid('TaskSpec: update-monitor cannot be negative');
  if (MaxFailureRatio < 0 || MaxFailureRatio > 1)
    throw invalid('TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1');
}
