import {
  type Controller,
  EngineError,
  type Executor,
  type Exit,
  type Found,
  type LogChunk,
  type LogOptions,
  type LogSubject,
  NoContainer,
  type Run,
} from '../../../actors/agent/ports.ts';
import { exitError } from '../../../actors/agent/task-status.ts';
import type { ContainerStatus, NodeDescription, Task } from '../../../domain/model/objects.ts';
import { aborted, type Container, killed, type SimulatedEngine } from './container-engine.ts';

/** The executor of an agent that has just started, on an engine that may know more than the agent. */
export const simulatedExecutor = (engine: SimulatedEngine): Executor =>
  new SimulatedExecutor(engine);

class SimulatedExecutor implements Executor {
  readonly #engine: SimulatedEngine;

  constructor(engine: SimulatedEngine) {
    this.#engine = engine;
  }

  describe(scope: AbortSignal): Promise<NodeDescription> {
    return this.#engine.call('look', '', scope, () => this.#engine.description);
  }

  controller(task: Task): Controller {
    return new SimulatedController(this.#engine, task);
  }

  taskIds(nodeId: string, scope: AbortSignal): Promise<readonly string[]> {
    return this.#engine.call('look', '', scope, () =>
      [...this.#engine.all()].filter((c) => c.task.nodeId === nodeId).map((c) => c.task.id),
    );
  }

  removeOrphan(taskId: string, scope: AbortSignal): Promise<void> {
    return this.#engine.call('remove', taskId, scope, () => this.#engine.removeNow(taskId));
  }

  /** Knows nothing of `since`, `timestamps` and `details`. */
  async *logs(task: LogSubject, options: LogOptions, scope: AbortSignal): AsyncIterable<LogChunk> {
    const engine = this.#engine;
    try {
      const container = await engine.call('look', task.id, scope, () => engine.get(task.id));
      if (container === undefined) throw new NoContainer(`of task ${task.id}`);
      const wanted = ({ stream }: LogChunk): boolean => options[stream];
      // as in the engine, the tail is cut before streams are told apart
      const tail = options.tail === 'all' ? container.log.length : Number(options.tail);
      const first = container.log.slice(Math.max(0, container.log.length - tail));
      for (const chunk of first) if (wanted(chunk)) yield chunk;
      for (let at = container.log.length; options.follow; ) {
        for (; at < container.log.length; at += 1) {
          const chunk = container.log[at];
          if (chunk !== undefined && wanted(chunk)) yield chunk;
        }
        if (container.state !== 'running') return;
        await engine.changed(container, scope);
      }
    } catch (error) {
      if (!scope.aborted) throw error;
    }
  }

  check(scope: AbortSignal): Promise<void> {
    return this.#engine.call('look', '', scope, () => undefined);
  }

  ready(scope: AbortSignal): Promise<void> {
    return this.#engine.ready(scope);
  }
}

class SimulatedController implements Controller {
  readonly #engine: SimulatedEngine;
  readonly #task: Task;
  /** A create or start that the engine may still be at: like the real one, nothing overtakes it. */
  #pending: Promise<unknown> = Promise.resolve();
  /** Seen unhealthy while it ran. */
  #isSick = false;

  constructor(engine: SimulatedEngine, task: Task) {
    this.#engine = engine;
    this.#task = task;
  }

  async find(scope: AbortSignal): Promise<Found> {
    const container = await this.#look(scope);
    if (container === undefined) return { kind: 'absent' };
    if (container.state === 'running') return { kind: 'running', run: runOf(container) };
    return container.state === 'exited'
      ? { kind: 'exited', exit: this.#exitOf(container) }
      : { kind: 'created', container: createdOf(container) };
  }

  async prepare(scope: AbortSignal): Promise<ContainerStatus> {
    const made = await this.#exclusive('create', scope, () => this.#engine.createNow(this.#task));
    return createdOf(made);
  }

  async start(scope: AbortSignal): Promise<Run> {
    const container = await this.#look(scope);
    if (container === undefined) throw this.#absent();
    if (container.state === 'created')
      await this.#exclusive('start', scope, () => this.#engine.startNow(container));
    return this.#watch(scope, (now) => {
      if (now === undefined) throw this.#absent();
      if (now.state === 'running')
        return now.health === 'none' || now.health === 'healthy' ? runOf(now) : undefined;
      const failure = now.health === 'none' ? undefined : exitError(this.#exitOf(now));
      if (failure !== undefined) throw new EngineError(failure, false);
      return runOf(now);
    });
  }

  wait(scope: AbortSignal): Promise<Exit> {
    return this.#watch(scope, (container) => {
      if (container === undefined)
        return {
          container: { id: '', pid: 0, exitCode: killed },
          reason: 'container destroyed',
        };
      return container.state === 'exited' ? this.#exitOf(container) : undefined;
    });
  }

  async shutdown(scope: AbortSignal): Promise<Exit | undefined> {
    await this.#pending;
    const container = await this.#engine.call('stop', this.#task.id, scope, () => {
      const found = this.#engine.get(this.#task.id);
      if (found !== undefined) this.#engine.stopNow(found);
      return found;
    });
    return container === undefined || container.state === 'created' ? undefined : this.wait(scope);
  }

  async remove(scope: AbortSignal): Promise<void> {
    await this.#pending;
    await this.#engine.call('remove', this.#task.id, scope, () =>
      this.#engine.removeNow(this.#task.id),
    );
  }

  async #exclusive<T>(
    operation: 'create' | 'start',
    scope: AbortSignal,
    act: () => T | EngineError,
  ): Promise<T> {
    const work = this.#engine.call(operation, this.#task.id, undefined, act);
    this.#pending = work.catch(() => undefined);
    return abortable(work, scope);
  }

  #look(scope: AbortSignal): Promise<Container | undefined> {
    return this.#engine.call('look', this.#task.id, scope, () => this.#engine.get(this.#task.id));
  }

  async #watch<T>(
    scope: AbortSignal,
    decide: (container: Container | undefined) => T | undefined,
  ): Promise<T> {
    for (;;) {
      if (scope.aborted) throw aborted();
      await this.#engine.ready(scope);
      const container = this.#engine.get(this.#task.id);
      const answer = decide(container);
      if (answer !== undefined || container === undefined) return answer as T;
      if (container.state === 'running' && container.health === 'unhealthy' && !this.#isSick) {
        this.#isSick = true;
        this.#engine.stopNow(container);
      } else await this.#engine.changed(container, scope);
    }
  }

  #exitOf({ id, exitCode, outOfMemory }: Container): Exit {
    const container = { id, pid: 0, exitCode };
    if (exitCode !== 0 && outOfMemory) return { container, reason: 'out of memory' };
    return this.#isSick ? { container, reason: 'unhealthy container' } : { container };
  }

  #absent(): EngineError {
    return new NoContainer(`${this.#task.serviceName}.${this.#task.id}`);
  }
}

function abortable<T>(work: Promise<T>, scope: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(aborted());
    if (scope.aborted) abort();
    scope.addEventListener('abort', abort, { once: true });
    void work.then(resolve, reject).finally(() => scope.removeEventListener('abort', abort));
  });
}

const createdOf = ({ id }: Container): ContainerStatus => ({ id, pid: 0, exitCode: 0 });

const runOf = ({ id, pid, exitCode, ports }: Container): Run => ({
  container: { id, pid, exitCode },
  ports,
});
