import { daemonFault } from '../domain/errors.ts';
import { systemClock } from '../supervisors/clock.ts';
import { text } from './swarm-texts.ts';

/** Something of this node that comes and goes with its parts (its manager, its session), and those who wait for it. */
export class Running<T> {
  readonly #waiting = new Set<() => void>();
  #current: T | undefined;

  get current(): T | undefined {
    return this.#current;
  }

  set(current: T | undefined): void {
    this.#current = current;
    if (current !== undefined) for (const wake of this.#waiting) wake();
  }

  /** As soon as it runs. Rejects with Docker's 503 text when it does not come up. */
  up(patienceMs: number): Promise<T> {
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(wake);
        systemClock.clearTimeout(timer);
      };
      const wake = (): void => {
        end();
        if (this.#current === undefined) reject(daemonFault('Unavailable', text.preparing));
        else resolve(this.#current);
      };
      const timer = systemClock.setTimeout(wake, patienceMs);
      this.#waiting.add(wake);
    });
  }
}
