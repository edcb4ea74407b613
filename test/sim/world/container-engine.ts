import { EngineError, type LogChunk } from '../../../actors/agent/ports.ts';
import type { NodeDescription, Task } from '../../../domain/model/objects.ts';
import type { PortConfig } from '../../../domain/model/spec.ts';
import type { Clock } from '../../../supervisors/clock.ts';

/** What a simulated container does. Without any of it: it runs until it is told to stop and ends with code 0. */
export interface Program {
  /** Why the engine cannot start it. */
  readonly broken?: string;
  readonly output?: readonly { readonly stream: 'stdout' | 'stderr'; readonly text: string }[];
  readonly exit?: {
    readonly afterMs: number;
    readonly code: number;
    readonly outOfMemory?: boolean;
  };
  /** Exit code at the stop signal; `ignored` ones are killed when the grace period is over. */
  readonly stop?: number | 'ignored';
  /** Absent: no health check. `sick later` is healthy at first. */
  readonly health?: 'healthy' | 'unhealthy' | 'sick later';
}

type Operation = 'look' | 'create' | 'start' | 'stop' | 'remove';
export interface SimulatedEngineOptions {
  readonly clock: Clock;
  /** Seeded; draws latencies and what becomes of calls that a dying engine cuts off. */
  readonly random: () => number;
  readonly program?: (task: Task) => Program;
  readonly description?: Partial<NodeDescription>;
  /** Shortest and longest time of a call, ms. */
  readonly latencyMs?: Partial<Readonly<Record<Operation, readonly [number, number]>>>;
}

export interface Container {
  readonly id: string;
  readonly task: Task;
  readonly program: Program;
  readonly ports: PortConfig[];
  readonly log: LogChunk[];
  readonly watchers: Set<() => void>;
  state: 'created' | 'running' | 'exited' | 'removed';
  pid: number;
  exitCode: number;
  outOfMemory: boolean;
  health: 'none' | 'starting' | 'healthy' | 'unhealthy';
}

const latenciesMs: Readonly<Record<Operation, readonly [number, number]>> = {
  look: [0.5, 3],
  create: [20, 80],
  start: [80, 300],
  stop: [20, 60],
  remove: [10, 60],
};
const probeMs = 100;
export const killed = 137;
const stopGraceMsDefault = 10_000;
const dynamicPortMin = 32_768;

const away = (): EngineError => new EngineError('the engine is away', true);
export const aborted = (): EngineError => new EngineError('aborted', true);

/** A container engine in memory. It outlives its executors (`simulatedExecutor`), as a real one outlives the agent. */
export class SimulatedEngine {
  /** How often each task's container was started; more than once is a bug of whoever drives the engine. */
  readonly starts = new Map<string, number>();
  /** References that neither the engine nor a registry has. */
  readonly missingImages = new Set<string>();
  /** Asked before every call that changes something; an error that it gives fails the call. */
  interfere: (operation: Operation, taskId: string) => EngineError | undefined = () => undefined;
  readonly #options: SimulatedEngineOptions;
  readonly #containers = new Map<string, Container>();
  readonly #boundPorts = new Set<string>();
  readonly #whenUp = new Set<() => void>();
  #isUp = true;
  #hangs = false;
  /** How often it has come back. */
  comebacks = 0;
  /** What a hanging engine is to do when it goes on. */
  readonly #held = new Set<() => void>();
  #count = 0;

  constructor(options: SimulatedEngineOptions) {
    this.#options = options;
  }

  /** It answers. */
  get isUp(): boolean {
    return this.#isUp && !this.#hangs;
  }

  /** Task id and state of every container there is. */
  states(): ReadonlyMap<string, Container['state']> {
    return new Map([...this.#containers].map(([id, { state }]) => [id, state]));
  }

  // ---------------------------------------------------------------- faults

  /** The engine stops answering. Containers run on. */
  down(): void {
    this.#isUp = false;
    this.resume();
  }

  /** It takes calls and neither acts nor answers. Containers run on. */
  hang(): void {
    this.#hangs = true;
  }

  resume(): void {
    this.#hangs = false;
    this.comebacks += 1;
    const held = [...this.#held];
    this.#held.clear();
    for (const goOn of held) goOn();
    if (this.#isUp) this.#wakeAll();
  }

  up(): void {
    this.#isUp = true;
    this.comebacks += 1;
    this.#wakeAll();
  }

  #wakeAll(): void {
    const waiting = [...this.#whenUp];
    this.#whenUp.clear();
    for (const wake of waiting) wake();
    for (const container of this.#containers.values()) this.#changed(container);
  }

  /** Power failure: every container has ended, but is still there. The engine stays down. */
  powerOff(): void {
    this.down();
    for (const container of this.#containers.values()) this.#end(container, killed);
  }

  /** Ends a running container from within. */
  crash(taskId: string, exitCode: number): void {
    this.#end(this.#must(taskId), exitCode);
  }

  exhaustMemory(taskId: string): void {
    const container = this.#must(taskId);
    container.outOfMemory = true;
    this.#end(container, killed);
  }

  setHealth(taskId: string, health: 'healthy' | 'unhealthy'): void {
    const container = this.#must(taskId);
    container.health = health;
    this.#changed(container);
  }

  /** Somebody removes the container behind the agent's back. */
  destroy(taskId: string): void {
    this.removeNow(taskId);
  }

  print(taskId: string, stream: 'stdout' | 'stderr', text: string): void {
    const container = this.#must(taskId);
    const data = new TextEncoder().encode(`${text}\n`);
    container.log.push({ stream, data });
    this.#changed(container);
  }

  // ------------------------------------------- the engine's side of the calls

  get description(): NodeDescription {
    return {
      hostname: 'simulated',
      platform: { architecture: 'x86_64', os: 'linux' },
      resources: { nanoCpus: 4e9, memoryBytes: 8 * 1024 ** 3 },
      engine: { version: '28.5.2', labels: {}, plugins: [] },
      ...this.#options.description,
    };
  }

  get(taskId: string): Container | undefined {
    return this.#containers.get(taskId);
  }

  all(): Iterable<Container> {
    return this.#containers.values();
  }

  /**
   * One call: `act` happens after a latency. An engine that is down rejects it, having acted or not when it dies
   * meanwhile. Aborting leaves the call's effect to itself. Without a scope nobody aborts it.
   */
  call<T>(
    operation: Operation,
    taskId: string,
    scope: AbortSignal | undefined,
    act: () => T | EngineError,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (scope?.aborted === true) return reject(aborted());
      if (!this.#isUp) return reject(away());
      const abort = (): void => reject(aborted());
      scope?.addEventListener('abort', abort, { once: true });
      const answer = (): void => {
        if (this.#hangs) return void this.#held.add(answer);
        scope?.removeEventListener('abort', abort);
        const wasCut = !this.#isUp;
        if (wasCut && this.#options.random() < 0.5) return reject(away());
        const result = this.interfere(operation, taskId) ?? act();
        if (wasCut) reject(away());
        else if (result instanceof EngineError) reject(result);
        else resolve(result);
      };
      this.#after(this.#latency(operation), answer);
    });
  }

  createNow(task: Task): Container | EngineError {
    const image = task.spec.ContainerSpec.Image;
    if (this.missingImages.has(image)) return new EngineError(`No such image: ${image}`, false);
    const known = this.#containers.get(task.id);
    if (known !== undefined) return known;
    const program = this.#options.program?.(task) ?? {};
    this.#count += 1;
    const container: Container = {
      id: this.#count.toString(16).padStart(64, '0'),
      task,
      program,
      ports: [],
      log: [],
      watchers: new Set(),
      state: 'created',
      pid: 0,
      exitCode: 0,
      outOfMemory: false,
      health: 'none',
    };
    this.#containers.set(task.id, container);
    return container;
  }

  startNow(container: Container): EngineError | undefined {
    if (container.state === 'running') return undefined;
    const { program, task } = container;
    const problem = program.broken ?? this.#bindPorts(container);
    if (problem !== undefined)
      return new EngineError(`starting container failed: ${problem}`, false);
    this.starts.set(task.id, (this.starts.get(task.id) ?? 0) + 1);
    this.#count += 1;
    container.state = 'running';
    container.pid = 1_000 + this.#count;
    for (const { stream, text } of program.output ?? []) this.print(task.id, stream, text);
    if (program.health !== undefined) this.#probe(container, program.health);
    const { exit } = program;
    if (exit !== undefined)
      this.#after(exit.afterMs, () => {
        if (container.state !== 'running') return;
        container.outOfMemory = exit.outOfMemory === true;
        this.#end(container, exit.code);
      });
    return undefined;
  }

  /** Gives the time after which a stop has ended the container, ms. */
  stopNow(container: Container): number {
    const { stop = 0 } = container.program;
    const { StopGracePeriod } = container.task.spec.ContainerSpec;
    if (container.state !== 'running') return 0;
    if (stop !== 'ignored') {
      this.#end(container, stop);
      return 0;
    }
    const graceMs =
      StopGracePeriod === undefined ? stopGraceMsDefault : Math.trunc(StopGracePeriod / 1e9) * 1e3;
    this.#after(graceMs, () => this.#end(container, killed));
    return graceMs;
  }

  removeNow(taskId: string): void {
    const container = this.#containers.get(taskId);
    if (container === undefined) return;
    this.#end(container, killed);
    container.state = 'removed';
    this.#containers.delete(taskId);
    this.#changed(container);
  }

  /** Resolves at the next change of the container that the engine can tell of. */
  changed(container: Container, scope: AbortSignal): Promise<void> {
    return this.#next(container.watchers, scope);
  }

  ready(scope: AbortSignal): Promise<void> {
    return this.isUp && !scope.aborted ? Promise.resolve() : this.#next(this.#whenUp, scope);
  }

  #next(wakers: Set<() => void>, scope: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (scope.aborted) return reject(aborted());
      const abort = (): void => {
        wakers.delete(wake);
        reject(aborted());
      };
      const wake = (): void => {
        wakers.delete(wake);
        scope.removeEventListener('abort', abort);
        resolve();
      };
      wakers.add(wake);
      scope.addEventListener('abort', abort, { once: true });
    });
  }

  /** A dead engine tells nothing; `up` makes good for it. */
  #changed(container: Container): void {
    if (this.isUp) for (const wake of container.watchers) wake();
  }

  #end(container: Container, exitCode: number): void {
    if (container.state !== 'running') return;
    container.state = 'exited';
    container.exitCode = exitCode;
    container.pid = 0;
    // what Docker says of every container whose health check has ended with it
    if (container.health !== 'none') container.health = 'unhealthy';
    for (const port of container.ports) this.#boundPorts.delete(bindingOf(port));
    this.#changed(container);
  }

  #bindPorts(container: Container): string | undefined {
    const wanted = (container.task.endpoint?.Ports ?? []).filter((p) => p.PublishMode === 'host');
    const taken = wanted.find((port) => this.#boundPorts.has(bindingOf(port)));
    if (taken !== undefined)
      return `Bind for 0.0.0.0:${taken.PublishedPort} failed: port is already allocated`;
    for (const port of wanted) {
      const PublishedPort = port.PublishedPort || dynamicPortMin + (this.#count += 1);
      container.ports.push({ ...port, PublishedPort });
      this.#boundPorts.add(bindingOf({ ...port, PublishedPort }));
    }
    return undefined;
  }

  #probe(container: Container, health: NonNullable<Program['health']>): void {
    const turn = (to: 'healthy' | 'unhealthy') => (): void => {
      if (container.state === 'running') this.setHealth(container.task.id, to);
    };
    container.health = 'starting';
    this.#after(probeMs, turn(health === 'unhealthy' ? 'unhealthy' : 'healthy'));
    if (health === 'sick later') this.#after(2 * probeMs, turn('unhealthy'));
  }

  #latency(operation: Operation): number {
    const [min, max] = this.#options.latencyMs?.[operation] ?? latenciesMs[operation];
    return min + (max - min) * this.#options.random();
  }

  #after(ms: number, run: () => void): void {
    this.#options.clock.setTimeout(run, ms);
  }

  #must(taskId: string): Container {
    const container = this.#containers.get(taskId);
    if (container === undefined) throw new Error(`no container of task ${taskId}`);
    return container;
  }
}

const bindingOf = (port: PortConfig): string => `${port.PublishedPort}/${port.Protocol}`;
