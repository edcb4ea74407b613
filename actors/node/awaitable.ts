import { daemonFault } from '../../domain/errors.ts';
import { type Clock, systemClock } from '../../supervisors/clock.ts';
import { text } from './swarm-texts.ts';

/** Something of this node that comes and goes with its parts (its manager, its session), and those who wait for it. */
export class Awaitable<T> {
  readonly #waiting = new Set<() => void>();
  readonly #clock: Clock;
  #current: T | undefined;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  get current(): T | undefined {
    return this.#current;
  }

  set(current: T | undefined): void {
    this.#current = current;
    if (current !== undefined) for (const wake of this.#waiting) wake();
  }

  /**
   * As soon as it runs. Rejects with Docker's 503 text when it does not come up.
   * @param patienceMs asked at the beginning and again when it is over: a change that began meanwhile may take longer
   */
  up(patienceMs: () => number): Promise<T> {
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    const began = this.#clock.now();
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        if (this.#current === undefined) return;
        this.#waiting.delete(wake);
        this.#clock.clearTimeout(timer);
        resolve(this.#current);
      };
      const lookAgain = (): void => {
        const leftMs = patienceMs() - (this.#clock.now() - began);
        if (leftMs > 0) {
          timer = this.#clock.setTimeout(lookAgain, leftMs);
          return;
        }
        this.#waiting.delete(wake);
        reject(daemonFault('Unavailable', text.preparing));
      };
      let timer = this.#clock.setTimeout(lookAgain, patienceMs());
      this.#waiting.add(wake);
    });
  }
}
