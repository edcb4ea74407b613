import { errorText } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { ContainerStatus, TaskStatus } from '../../domain/model/objects.ts';
import { failureState, isAdvance, type TaskState } from '../../domain/task-state.ts';
import { EngineError, type Exit, type Found, type Run } from './ports.ts';

/** Pure decisions of a task actor: where to go on from what was found, and what to report (swarm-compat §4.1). */
export type NextStep = 'preparing' | 'starting' | 'running' | 'stopping' | 'ended' | 'gone';

/**
 * Where a task goes on. A container that has been started once is never started again, whoever saw it start: from
 * `starting` on only one that was made and not yet started may be.
 * @param state the furthest state that the leader or this agent knows of
 * @param stop the task is to end, whatever is found
 */
export function afterFind(found: Found, state: TaskState, stop: boolean): NextStep {
  if (found.kind === 'running') {
    if (stop) return 'stopping';
    return isAdvance(state, 'running') ? 'starting' : 'running'; // `starting` waits until it is healthy
  }
  if (stop || found.kind === 'exited') return 'ended';
  if (isAdvance(state, 'starting')) return 'preparing';
  return found.kind === 'created' && state === 'starting' ? 'starting' : 'gone';
}

/** How a task ended: by itself, because it was told to, or because something broke. */
export interface End {
  readonly exit: Exit | undefined;
  readonly stopped: boolean;
  readonly failure: string | undefined;
}

const texts = {
  accepted: 'accepted',
  preparing: 'preparing',
  ready: 'prepared',
  starting: 'starting',
  running: 'started',
} as const;
export type LiveState = keyof typeof texts;

/**
 * The next status of a living task, or undefined when it is no advance over the last one.
 * @param run what is to be told of the container
 */
export function liveStatus(
  last: TaskStatus,
  state: LiveState,
  run: Partial<Run>,
  at: number,
): TaskStatus | undefined {
  if (!isAdvance(last.state, state)) return undefined;
  const ports = run.ports === undefined || run.ports.length === 0 ? {} : { ports: run.ports };
  return { state, at, message: texts[state], ...containerOf(run.container), ...ports };
}

/** The last status; undefined when the leader knows of an end already. As in Swarm a failure keeps the last message. */
export function endStatus(last: TaskStatus, end: End, at: number): TaskStatus | undefined {
  const container = containerOf(end.exit?.container ?? last.container);
  const failure = end.failure ?? (end.stopped ? undefined : exitError(end.exit));
  const status: TaskStatus =
    failure !== undefined
      ? { state: failureState(last.state), at, message: last.message, err: failure, ...container }
      : end.stopped
        ? { state: 'shutdown', at, message: 'shutdown', ...container }
        : { state: 'complete', at, message: 'finished', ...container };
  return isAdvance(last.state, status.state) ? status : undefined;
}

const containerOf = (container: ContainerStatus | undefined): { container?: ContainerStatus } =>
  container === undefined ? {} : { container };

/** What is said of a container that ended by itself; nothing of one that ended well. */
export function exitError(exit: Exit | undefined): string | undefined {
  if (exit === undefined || (exit.container.exitCode === 0 && exit.reason === undefined))
    return undefined;
  const { reason, container } = exit;
  const cause = reason === unhealthy ? `dockerexec: ${unhealthy}` : reason;
  const end = container.exitCode === 0 ? 'exit' : 'non-zero exit';
  return shorten(`task: ${end} (${container.exitCode})${cause === undefined ? '' : `: ${cause}`}`);
}
/** The one reason that Swarm tells too, in its words; the others are natswarm's. */
const unhealthy = 'unhealthy container';

/** As long as a status may carry. */
export const shortErrorText = (error: unknown): string => shorten(errorText(error));

const shorten = (text: string): string => text.slice(0, limits.statusTextLengthMax);

export const isRetryable = (error: unknown): boolean =>
  error instanceof EngineError && error.retryable;
