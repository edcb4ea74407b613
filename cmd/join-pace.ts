import { Fault } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../supervisors/clock.ts';

/**
 * How fast one manager lets new nodes in: a token that got into wrong hands must not fill the state before somebody has
 * rotated it. As many as come in `joinBurstMs` at that rate are let in at once; the next ones wait for their turn, and those
 * whose turn would be too late are refused, and come again.
 */
export class JoinPace {
  readonly #clock: Pick<Clock, 'now' | 'setTimeout' | 'clearTimeout'>;
  readonly #scope: AbortSignal;
  /** Each ends a wait before its time. */
  readonly #waits = new Set<() => void>();
  /** When all turns that were given are over, as the clock has it, ms. */
  #until = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, scope: AbortSignal) {
    this.#clock = clock;
    this.#scope = scope;
    const end = (): void => {
      for (const wait of this.#waits) wait();
    };
    scope.addEventListener('abort', end, { once: true });
  }

  /** Resolves when it is the turn of one more. Throws a Fault that says to come again. */
  async turn(perS: number): Promise<void> {
    const now = this.#clock.now();
    const end = Math.max(this.#until, now) + 1_000 / perS;
    const waitMs = end - now - limits.joinBurstMs;
    if (waitMs > limits.joinWaitMsMax)
      throw new Fault(
        'Unavailable',
        `too many nodes join at once: this manager lets ${perS} in a second; try again in a moment`,
      );
    this.#until = end;
    if (waitMs > 0 && !this.#scope.aborted) await this.#pause(waitMs);
    if (this.#scope.aborted) throw new Fault('Unavailable', 'the manager stops; ask another one');
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#clock.clearTimeout(timer);
        this.#waits.delete(end);
        resolve();
      };
      const timer = this.#clock.setTimeout(end, ms);
      this.#waits.add(end);
    });
  }
}
