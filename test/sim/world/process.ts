import type { Clock } from '../../../supervisors/clock.ts';
import type { VirtualClock } from '../../../supervisors/virtual-clock.ts';

/** How a host's monotonic clock differs from another's: where it began, and how fast it runs. */
export interface Rate {
  readonly originMs: number;
  readonly speed: number;
}

/**
 * One incarnation of a simulated operating-system process. After `kill` nothing in it happens any more: its timers do not
 * fire, and what it waits for never comes.
 */
export class SimProcess {
  readonly clock: Clock;
  readonly #deaths = new Set<() => void>();
  #alive = true;

  constructor(clock: VirtualClock, { originMs, speed }: Rate = { originMs: 0, speed: 1 }) {
    this.clock = {
      now: () => originMs + clock.now() * speed,
      // As Node's: whole milliseconds, rounded down, so that timers fire a moment early.
      setTimeout: (fn, ms) =>
        clock.setTimeout(
          () => {
            if (this.#alive) fn();
          },
          Math.max(1, Math.trunc(ms)) / speed,
        ),
      clearTimeout: (id) => clock.clearTimeout(id),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  onDeath(run: () => void): void {
    this.#deaths.add(run);
  }

  /** kill -9. */
  kill(): void {
    this.#alive = false;
    for (const run of this.#deaths) run();
    this.#deaths.clear();
  }

  /** A promise of the world outside as this process sees it. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => {
          if (this.#alive) resolve(value);
        },
        (error: unknown) => {
          if (this.#alive) reject(error as Error);
        },
      );
    });
  }
}
