import type {
  ContainerStatus,
  NodeDescription,
  Task,
  TaskStatus,
} from '../../domain/model/objects.ts';
import type { PortConfig } from '../../domain/model/spec.ts';
import type { LogChunk } from '../../domain/logs/frames.ts';
import type { LogOptions } from '../../domain/logs/options.ts';

export type { LogChunk, LogOptions };

/** What is known of a task's container without touching it. */
export type Found =
  | { readonly kind: 'absent' }
  | { readonly kind: 'created'; readonly container: ContainerStatus }
  | { readonly kind: 'running'; readonly run: Run }
  | { readonly kind: 'exited'; readonly exit: Exit };

/** A started container. */
export interface Run {
  readonly container: ContainerStatus;
  /** Published host-mode ports as the engine bound them. */
  readonly ports: readonly PortConfig[];
}
/** A container's end. `reason` explains a failure beyond the exit code (unhealthy, out of memory). */
export interface Exit {
  readonly container: ContainerStatus;
  readonly reason?: string;
}

/**
 * One task's container. Every method is idempotent and finds the container by its task label, whatever its name is by
 * now, so a restarted agent may call it again. Errors are `EngineError`s: `retryable` means that the engine could not be reached, and the
 * caller waits for it and calls again; everything else is the task's own failure, in the engine's words.
 */
export interface Controller {
  /** Looks only. */
  find(scope: AbortSignal): Promise<Found>;
  /** Pulls the image where needed and creates the container. */
  prepare(scope: AbortSignal): Promise<ContainerStatus>;
  /** Starts the container and, where it has a health check, waits until it is healthy. A running one is left alone. */
  start(scope: AbortSignal): Promise<Run>;
  /** Waits for the end; an unhealthy container is killed and told as such. */
  wait(scope: AbortSignal): Promise<Exit>;
  /** Stops with the spec's signal and grace period. A container that does not run is left as it is. */
  shutdown(scope: AbortSignal): Promise<Exit | undefined>;
  /** Removes the container and its anonymous volumes. */
  remove(scope: AbortSignal): Promise<void>;
}

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly retryable: boolean;
  constructor(message: string, retryable: boolean) {
    super(message);
    this.retryable = retryable;
  }
}

/** The engine has no container for it, or no more. */
export class NoContainer extends EngineError {
  constructor(of: string) {
    super(`No such container: ${of}`, false);
  }
}

/** What a call rejects with when its scope aborts. `retryable`, so that nobody takes it for the task's failure. */
export const abortedError = (): EngineError => new EngineError('aborted', true);

/** Whose log it is: a task of this node. */
export type LogSubject = Pick<Task, 'id' | 'nodeId'>;

/** The node's container engine. */
export interface Executor {
  describe(scope: AbortSignal): Promise<NodeDescription>;
  controller(task: Task): Controller;
  /** Ids of the tasks of this node (label `com.docker.swarm.node.id`) that have containers, running or not. */
  taskIds(nodeId: string, scope: AbortSignal): Promise<readonly string[]>;
  /** Removes the container of a task that nobody knows any more. */
  removeOrphan(taskId: string, scope: AbortSignal): Promise<void>;
  /** Ends when the log ends (without `follow`) or at abort. Only of a container that is this task's by its labels. */
  logs(task: LogSubject, options: LogOptions, scope: AbortSignal): AsyncIterable<LogChunk>;
  /** Asks once whether the engine answers; rejects with what is wrong. One that hangs answers when it goes on. */
  check(scope: AbortSignal): Promise<void>;
  /** Resolves when the engine answers. */
  ready(scope: AbortSignal): Promise<void>;
}

/** Takes every status of every task; keeps the newest until the leader has acknowledged it. */
export interface StatusReporter {
  report(taskId: string, status: TaskStatus): void;
}
