import {
  type Controller,
  EngineError,
  type Executor,
  type Exit,
  type Found,
  type LogChunk,
  type Run,
} from '../../../actors/agent/ports.ts';
import type { NodeDescription, Task } from '../../../domain/model/objects.ts';
import type { Clock } from '../../../supervisors/clock.ts';
import { behaviourOf } from '../workload/specs.ts';
import type { Random } from './random.ts';

interface Container {
  readonly taskId: string;
  readonly id: string;
  readonly task: Task;
  state: 'created' | 'running' | 'exited';
  exitCode: number;
  /** How often it was started. */
  starts: number;
}

const killedExitCode = 137;
const stopGraceNsDefault = 10e9;
/** How long containers that end by themselves run, ms. */
const lifeMs = { min: 50, max: 8_000 } as const;

/**
 * A container engine on the virtual clock: calls take time, containers end by their image's behaviour, and a crash ends
 * all of them at once and fails what is being asked. What it has on disk survives.
 */
export class SimEngine implements Executor {
  readonly #clock: Clock;
  readonly #nodeId: string;
  readonly #random: Random;
  readonly #callMs: number;
  readonly #containers = new Map<string, Container>();
  /** Everything that waits for this engine; told when something happened to a container or to the engine. */
  readonly #waiting = new Set<() => void>();
  #boots = 1;
  #isUp = true;

  constructor(clock: Clock, nodeId: string, random: Random, callMs: number) {
    this.#clock = clock;
    this.#nodeId = nodeId;
    this.#random = random;
    this.#callMs = callMs;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  containers(): readonly {
    readonly taskId: string;
    readonly running: boolean;
    readonly starts: number;
  }[] {
    return [...this.#containers.values()].map(({ taskId, state, starts }) => ({
      taskId,
      running: state === 'running',
      starts,
    }));
  }

  crash(): void {
    this.#isUp = false;
    this.#boots++;
    for (const container of this.#containers.values()) this.#end(container, killedExitCode);
    this.#tell();
  }
  boot(): void {
    this.#isUp = true;
    this.#tell();
  }

  /** A container ends for no reason; false when none runs. */
  breakOne(): boolean {
    const running = [...this.#containers.values()].filter(({ state }) => state === 'running');
    if (running.length === 0) return false;
    this.#end(this.#random.pick(running), 1);
    return true;
  }

  describe(scope: AbortSignal): Promise<NodeDescription> {
    return this.#call(scope, () => ({
      hostname: this.#nodeId,
      platform: { architecture: 'x86_64', os: 'linux' },
      resources: { nanoCpus: 4e9, memoryBytes: 4 * 2 ** 30 },
      engine: { version: '28.5.2', labels: {}, plugins: [] },
    }));
  }

  taskIds(_nodeId: string, scope: AbortSignal): Promise<readonly string[]> {
    return this.#call(scope, () => [...this.#containers.keys()]);
  }

  removeOrphan(taskId: string, scope: AbortSignal): Promise<void> {
    return this.#call(scope, () => void this.#containers.delete(taskId));
  }

  async *logs(): AsyncIterable<LogChunk> {}

  async ready(scope: AbortSignal): Promise<void> {
    while (!this.#isUp) await this.#change(scope);
  }

  /** As the real one, a controller lets no stop or removal overtake its own create or start. */
  controller(task: Task): Controller {
    const found = (): Container | undefined => this.#containers.get(task.id);
    let pending: Promise<unknown> = Promise.resolve();
    const never = new AbortController().signal;
    const exclusive = <T>(scope: AbortSignal, run: () => T): Promise<T> => {
      const work = this.#call(never, run);
      pending = work.catch(() => undefined);
      return abortable(work, scope);
    };
    return {
      find: (scope) => this.#call(scope, () => foundOf(found())),
      prepare: (scope) => exclusive(scope, () => this.#create(task)),
      start: (scope) => exclusive(scope, () => this.#start(task)),
      wait: (scope) => this.#wait(task, scope),
      shutdown: async (scope) => {
        await pending;
        await this.#call(scope, () => this.#stop(found()));
        return found()?.state === 'running' ? this.#wait(task, scope) : exitOf(found());
      },
      remove: async (scope) => {
        await pending;
        await this.#call(scope, () => void this.#containers.delete(task.id));
      },
    };
  }

  #create(task: Task): void {
    if (behaviourOf(task.spec.ContainerSpec.Image) === 'missing')
      throw new EngineError(`No such image: ${task.spec.ContainerSpec.Image}`, false);
    if (this.#containers.has(task.id)) return;
    const id = this.#random.id();
    this.#containers.set(task.id, {
      taskId: task.id,
      id,
      task,
      state: 'created',
      exitCode: 0,
      starts: 0,
    });
  }

  #start(task: Task): Run {
    const container = this.#containers.get(task.id);
    if (container === undefined) throw new EngineError(`No such container: ${task.id}`, false);
    if (container.state !== 'running') {
      container.state = 'running';
      container.starts++;
      const behaviour = behaviourOf(task.spec.ContainerSpec.Image);
      if (behaviour !== 'steady')
        this.#endLater(container, lifeMs, behaviour === 'crashing' ? 1 : 0);
    }
    return { container: { id: container.id, pid: 1, exitCode: 0 }, ports: [] };
  }

  async #wait(task: Task, scope: AbortSignal): Promise<Exit> {
    const boot = this.#boots;
    for (;;) {
      const container = this.#containers.get(task.id);
      if (!this.#isUp || this.#boots !== boot) throw away();
      if (container === undefined)
        return {
          container: { id: '', pid: 0, exitCode: killedExitCode },
          reason: 'container destroyed',
        };
      const exit = exitOf(container);
      if (exit !== undefined) return exit;
      await this.#change(scope);
    }
  }

  #stop(container: Container | undefined): void {
    if (container?.state !== 'running') return;
    const grace = (container.task.spec.ContainerSpec.StopGracePeriod ?? stopGraceNsDefault) / 1e6;
    // Some stop at once, some have to be killed.
    const max = this.#random.chance(0.2) ? grace : Math.min(grace, 100);
    this.#endLater(container, { min: max / 10, max }, killedExitCode);
  }

  #endLater(container: Container, after: { min: number; max: number }, exitCode: number): void {
    const { starts } = container;
    this.#clock.setTimeout(
      () => {
        if (container.starts === starts) this.#end(container, exitCode);
      },
      this.#random.between(after.min, after.max),
    );
  }

  #end(container: Container, exitCode: number): void {
    if (container.state !== 'running') return;
    container.state = 'exited';
    container.exitCode = exitCode;
    this.#tell();
  }

  #tell(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next change of any container or of the engine. */
  #change(scope: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(wake);
        scope.removeEventListener('abort', abort);
      };
      const wake = (): void => {
        end();
        resolve();
      };
      const abort = (): void => {
        end();
        reject(aborted());
      };
      if (scope.aborted) return reject(aborted());
      this.#waiting.add(wake);
      scope.addEventListener('abort', abort, { once: true });
    });
  }

  /** One call: there, done, and back. Aborting it leaves the wait, not what the engine was asked to do. */
  #call<T>(scope: AbortSignal, run: () => T): Promise<T> {
    const boot = this.#boots;
    const work = new Promise<T>((resolve, reject) => {
      const settle = (act: () => void): void =>
        void this.#clock.setTimeout(
          () => {
            if (this.#isUp && this.#boots === boot) act();
            else reject(away());
          },
          this.#random.spacing(this.#callMs / 2),
        );
      settle(() => {
        try {
          const result = run();
          settle(() => resolve(result));
        } catch (error) {
          settle(() => reject(error as Error));
        }
      });
    });
    return abortable(work, scope);
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

const away = (): EngineError => new EngineError('the engine is away', true);
const aborted = (): EngineError => new EngineError('aborted', true);

function foundOf(container: Container | undefined): Found {
  if (container === undefined) return { kind: 'absent' };
  const { id, exitCode } = container;
  switch (container.state) {
    case 'created':
      return { kind: 'created' };
    case 'running':
      return { kind: 'running', run: { container: { id, pid: 1, exitCode: 0 }, ports: [] } };
    case 'exited':
      return { kind: 'exited', exit: { container: { id, pid: 0, exitCode } } };
  }
}

function exitOf(container: Container | undefined): Exit | undefined {
  const found = foundOf(container);
  return found.kind === 'exited' ? found.exit : undefined;
}
