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

interface Container {
  state: 'created' | 'running' | 'exited';
  exitCode: number;
  reason?: string;
}
type Call = keyof Controller;

export const description: NodeDescription = {
  hostname: 'host',
  platform: { architecture: 'x86_64', os: 'linux' },
  resources: { nanoCpus: 1e9, memoryBytes: 1e9 },
  engine: { version: '28.5.2', labels: {}, plugins: [] },
};

/** An engine with just the behaviour that the ports promise; it counts calls and can be away or stubborn. */
export class FakeEngine implements Executor {
  readonly containers = new Map<string, Container>();
  /** Every call that reached the engine: `start t1`. */
  readonly calls: string[] = [];
  description = description;
  /** Throws in the named call, once per entry. */
  readonly failures = new Map<Call, unknown[]>();
  /** Calls that never answer, unless they are aborted. */
  readonly stuck = new Set<Call>();
  /** The calls of these that were aborted. */
  readonly cut: Call[] = [];
  /** Takes questions after its health and does not answer them. */
  hangs = false;
  #away = false;
  readonly #changed = new Set<() => void>();

  set away(away: boolean) {
    this.#away = away;
    this.#change();
  }

  /** The container ends by itself. */
  exit(taskId: string, exitCode: number, reason?: string): void {
    const container = this.containers.get(taskId);
    if (container === undefined) throw new Error(`no container ${taskId}`);
    Object.assign(container, { state: 'exited', exitCode, reason });
    this.#change();
  }

  /** A container that an earlier daemon has left. */
  leave(taskId: string, state: Container['state'], exitCode = 0): void {
    this.containers.set(taskId, { state, exitCode });
  }

  count(call: string): number {
    return this.calls.filter((c) => c === call).length;
  }

  async describe(): Promise<NodeDescription> {
    if (this.#away) throw away();
    return this.description;
  }

  async taskIds(): Promise<readonly string[]> {
    if (this.#away) throw away();
    return [...this.containers.keys()];
  }

  async removeOrphan(taskId: string): Promise<void> {
    this.calls.push(`orphan ${taskId}`);
    this.containers.delete(taskId);
  }

  async check(scope: AbortSignal): Promise<void> {
    if (this.hangs) await this.#until(() => !this.hangs, scope);
    if (this.#away) throw away();
  }

  async ready(scope: AbortSignal): Promise<void> {
    this.calls.push('ready');
    await this.#until(() => !this.#away, scope);
  }

  async *logs(task: Task): AsyncIterable<LogChunk> {
    yield { stream: 'stdout', data: new TextEncoder().encode(`${task.id}\n`) };
  }

  controller({ id }: Task): Controller {
    return {
      find: (scope) => this.#call('find', id, scope, () => this.#find(id)),
      prepare: (scope) =>
        this.#call('prepare', id, scope, () => {
          if (!this.containers.has(id)) this.leave(id, 'created');
          return created(id);
        }),
      start: (scope) => this.#call('start', id, scope, () => this.#start(id)),
      wait: (scope) => this.#call('wait', id, scope, () => this.#wait(id, scope)),
      shutdown: (scope) => this.#call('shutdown', id, scope, () => this.#shutdown(id)),
      remove: (scope) => this.#call('remove', id, scope, () => void this.containers.delete(id)),
    };
  }

  async #call<T>(
    call: Call,
    id: string,
    scope: AbortSignal,
    run: () => T | Promise<T>,
  ): Promise<T> {
    if (this.#away) throw away();
    this.calls.push(`${call} ${id}`);
    if (this.stuck.has(call)) {
      scope.addEventListener('abort', () => this.cut.push(call), { once: true });
      await this.#until(() => !this.stuck.has(call), scope);
    }
    const failure = this.failures.get(call)?.shift();
    if (failure !== undefined) throw failure;
    return run();
  }

  #find(id: string): Found {
    const container = this.containers.get(id);
    switch (container?.state) {
      case undefined:
        return { kind: 'absent' };
      case 'created':
        return { kind: 'created', container: created(id) };
      case 'running':
        return { kind: 'running', run: run(id) };
      case 'exited':
        return { kind: 'exited', exit: exit(id, container) };
    }
  }

  #start(id: string): Run {
    const container = this.containers.get(id);
    if (container === undefined || container.state === 'exited')
      throw new EngineError(`cannot start ${id}`, false);
    if (container.state === 'created') this.calls.push(`run ${id}`);
    container.state = 'running';
    return run(id);
  }

  async #wait(id: string, scope: AbortSignal): Promise<Exit> {
    const ended = (): Container | undefined => {
      if (this.#away) throw away();
      const container = this.containers.get(id);
      return container?.state === 'exited' ? container : undefined;
    };
    await this.#until(() => ended() !== undefined, scope);
    return exit(id, ended() as Container);
  }

  #shutdown(id: string): Exit | undefined {
    const container = this.containers.get(id);
    if (container === undefined || container.state === 'created') return undefined;
    if (container.state === 'running') this.exit(id, 143);
    return exit(id, container);
  }

  async #until(condition: () => boolean, scope: AbortSignal): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve, reject) => {
        if (scope.aborted) return reject(new Error('aborted'));
        const stop = (): void => reject(new Error('aborted'));
        this.#changed.add(resolve);
        scope.addEventListener('abort', stop, { once: true });
      });
    }
  }

  #change(): void {
    const waiting = [...this.#changed];
    this.#changed.clear();
    for (const wake of waiting) wake();
  }
}

const away = (): EngineError => new EngineError('engine is away', true);
const created = (id: string) => ({ id: `c-${id}`, pid: 0, exitCode: 0 });
const run = (id: string): Run => ({
  container: { id: `c-${id}`, pid: 7, exitCode: 0 },
  ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' }],
});
const exit = (id: string, { exitCode, reason }: Container): Exit => {
  const container = { id: `c-${id}`, pid: 0, exitCode };
  return reason === undefined ? { container } : { container, reason };
};
