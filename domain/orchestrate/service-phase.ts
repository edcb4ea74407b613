import type { View } from '../store/view.ts';
import { isTerminal } from '../task-state.ts';

/** What a service is in, as people look at it. */
export type ServicePhase =
  | 'converging'
  | 'converged'
  | 'updating'
  | 'paused'
  | 'rolling back'
  | 'rolled back'
  | 'removing';

/** @param isSettled the last plan changed nothing and left nothing undone */
export function servicePhase(view: View, id: string, isSettled: boolean): ServicePhase {
  const service = view.service(id);
  if (service === undefined) return 'removing';
  switch (service.updateStatus?.state) {
    case 'updating':
      return 'updating';
    case 'rollback_started':
      return 'rolling back';
    case 'paused':
    case 'rollback_paused':
      return 'paused';
    case 'rollback_completed':
      return isSettled && areAllThere(view, id) ? 'rolled back' : 'converging';
    case 'completed':
    case undefined:
      return isSettled && areAllThere(view, id) ? 'converged' : 'converging';
  }
}

/** Every task that is to run, or waits for its turn to, runs; and every other one has ended. */
function areAllThere(view: View, id: string): boolean {
  for (const { desired, status } of view.tasksOfService(id))
    if (!isTerminal(status.state) && (desired !== 'running' || status.state !== 'running'))
      return false;
  return true;
}
