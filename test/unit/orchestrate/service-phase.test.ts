import { expect, test } from '@jest/globals';
import type { Service, Task, UpdateState } from '../../../domain/model/objects.ts';
import { servicePhase } from '../../../domain/orchestrate/service-phase.ts';
import { Store } from '../../../domain/store/store.ts';
import { aService, aTask, serviceId } from '../../support/api.ts';

const phaseOf = (
  {
    updateState,
    task = {},
    isSettled = true,
  }: {
    readonly updateState?: UpdateState;
    readonly task?: Partial<Task>;
    readonly isSettled?: boolean;
  },
  service: readonly Service[] = [
    aService(updateState && { updateStatus: { state: updateState, message: '', startedAt: 1 } }),
  ],
): string =>
  servicePhase(
    Store.load(1, { cluster: [], node: [], service: [...service], task: [aTask(task)] }),
    serviceId,
    isSettled,
  );
const preparing = { status: { ...aTask().status, state: 'preparing' } } as const;
const failed = { status: { ...aTask().status, state: 'failed' } } as const;

test.each([
  ['converged', {}],
  ['converged', { updateState: 'completed' }],
  ['converged', { task: { ...failed, desired: 'shutdown' } }],
  ['converging', { isSettled: false }],
  ['converging', { task: preparing }],
  ['converging', { task: { desired: 'shutdown' } }],
  ['updating', { updateState: 'updating' }],
  ['paused', { updateState: 'paused' }],
  ['paused', { updateState: 'rollback_paused' }],
  ['rolling back', { updateState: 'rollback_started' }],
  ['rolled back', { updateState: 'rollback_completed' }],
  ['converging', { updateState: 'rollback_completed', task: preparing }],
] as const)('%s: %j', (phase, given) => {
  expect(phaseOf(given)).toBe(phase);
});

test('a service that is gone while its tasks end is being removed', () => {
  expect(phaseOf({}, [])).toBe('removing');
});
