import type { Clock } from '../../../supervisors/clock.ts';
import type { VirtualClock } from '../../../supervisors/virtual-clock.ts';

/** How a host's monotonic clock differs from another's: where it began, and how fast it runs. */
export interface Rate {
  readonly originMs: number;
  readonly speed: number;
}

/**
 * One incarnation of a simulated operating-system process. After `kill` nothing in it happens any more: its timers do not
 * fire, and what it waits for never comes. While it is frozen, that waits.
 */
export class SimProcess {
  readonly clock: Clock;
  readonly #world: VirtualClock;
  readonly #rate: Rate;
  readonly #deaths = new Set<() => void>();
  #alive = true;
  #frozenAt: number | undefined;
  #clockStands = false;
  /** For how long its clock has stood still, ms. */
  #stoodMs = 0;
  /** What was due while it was frozen, by the timer's number. */
  readonly #held = new Map<number, () => void>();
  /** What came from outside meanwhile; what comes before all of it has happened is behind it. */
  readonly #queue: (() => void)[] = [];
  /** Timers that were set before its clock stood still, by their number: they are due later. */
  readonly #again = new Map<number, number>();

  constructor(clock: VirtualClock, rate: Rate = { originMs: 0, speed: 1 }) {
    this.#world = clock;
    this.#rate = rate;
    this.clock = {
      now: () => rate.originMs + (clock.now() - this.#stood()) * rate.speed,
      setTimeout: (fn, ms) => this.#setTimeout(fn, ms),
      clearTimeout: (id) => this.#clearTimeout(id),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }
  get isFrozen(): boolean {
    return this.#frozenAt !== undefined;
  }

  /** Answers how to take it back. */
  onDeath(run: () => void): () => void {
    this.#deaths.add(run);
    return () => this.#deaths.delete(run);
  }

  /** kill -9. */
  kill(): void {
    this.#alive = false;
    this.#held.clear();
    this.#queue.length = 0;
    for (const run of this.#deaths) run();
    this.#deaths.clear();
  }

  /** SIGSTOP; with `clockStands`, its machine is suspended, which monotonic clocks do not count. */
  freeze(clockStands: boolean): void {
    if (this.isFrozen) return;
    this.#frozenAt = this.#world.now();
    this.#clockStands = clockStands;
  }

  /** SIGCONT: what was due meanwhile happens now, one after the other. */
  thaw(): void {
    if (!this.isFrozen) return;
    this.#stoodMs = this.#stood();
    this.#frozenAt = undefined;
    for (const id of this.#held.keys())
      this.#world.setTimeout(() => {
        const run = this.#held.get(id);
        this.#held.delete(id);
        run?.();
      }, 0);
    this.#handOver();
  }

  /** One at a time; it is in the queue until it has happened, so that what it brings about comes behind the others. */
  #handOver(): void {
    if (this.#queue.length === 0) return;
    this.#world.setTimeout(() => {
      if (this.isFrozen) return;
      this.#queue[0]?.();
      this.#queue.shift();
      this.#handOver();
    }, 0);
  }

  /** Something that comes from outside: it happens at once, after the thaw, or never. */
  take(run: () => void): void {
    if (!this.#alive) return;
    if (this.isFrozen || this.#queue.length > 0) this.#queue.push(run);
    else run();
  }

  /** A promise of the world outside as this process sees it. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.take(() => resolve(value)),
        (error: unknown) => this.take(() => reject(error as Error)),
      );
    });
  }

  /** As `guard`, for work that takes several steps: when the process dies, what is on its way is the last one. */
  guardWork<T>(scope: AbortSignal, work: (scope: AbortSignal) => Promise<T>): Promise<T> {
    const end = new AbortController();
    const abort = (): void => end.abort();
    const die = (): void => {
      scope.removeEventListener('abort', abort);
      abort();
    };
    if (scope.aborted || !this.#alive) abort();
    scope.addEventListener('abort', abort, { once: true });
    const live = this.onDeath(die);
    const over = (): void => {
      live();
      scope.removeEventListener('abort', abort);
    };
    const worked = work(end.signal);
    worked.then(over, over);
    return this.guard(worked);
  }

  #stood(): number {
    const stands = this.#clockStands && this.#frozenAt !== undefined;
    return this.#stoodMs + (stands ? this.#world.now() - (this.#frozenAt ?? 0) : 0);
  }

  /** As Node's: whole milliseconds, rounded down, so that timers fire a moment early. */
  #setTimeout(fn: () => void, ms: number): number {
    const stood = this.#stoodMs;
    const id: number = this.#world.setTimeout(
      () => this.#fire(id, stood, fn),
      Math.max(1, Math.trunc(ms)) / this.#rate.speed,
    );
    return id;
  }

  /** @param stood for how long the clock had stood still when this was due */
  #fire(id: number, stood: number, fn: () => void): void {
    if (!this.#alive) return;
    if (this.isFrozen) return void this.#held.set(id, () => this.#fire(id, stood, fn));
    const missed = this.#stoodMs - stood;
    if (missed === 0) return fn();
    const again = this.#world.setTimeout(() => {
      this.#again.delete(id);
      this.#fire(id, stood + missed, fn);
    }, missed);
    this.#again.set(id, again);
  }

  #clearTimeout(id: number): void {
    this.#world.clearTimeout(id);
    if (this.#held.size > 0) this.#held.delete(id);
    const again = this.#again.get(id);
    if (again === undefined) return;
    this.#world.clearTimeout(again);
    this.#again.delete(id);
  }
}
