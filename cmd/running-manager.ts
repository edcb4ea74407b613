import type { Manager } from '../actors/manager/manager.ts';
import { daemonFault } from '../domain/errors.ts';
import { systemClock } from '../supervisors/clock.ts';
import { text } from './swarm-texts.ts';

/** This node's manager, which comes and goes with its parts, and those who wait for it. */
export class RunningManager {
  readonly #waiting = new Set<() => void>();
  #manager: Manager | undefined;

  get current(): Manager | undefined {
    return this.#manager;
  }

  set(manager: Manager | undefined): void {
    this.#manager = manager;
    if (manager !== undefined) for (const wake of this.#waiting) wake();
  }

  /** As soon as it runs. Rejects with Docker's 503 text when it does not come up. */
  up(patienceMs: number): Promise<Manager> {
    if (this.#manager !== undefined) return Promise.resolve(this.#manager);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(wake);
        systemClock.clearTimeout(timer);
      };
      const wake = (): void => {
        end();
        if (this.#manager === undefined) reject(daemonFault('Unavailable', text.preparing));
        else resolve(this.#manager);
      };
      const timer = systemClock.setTimeout(wake, patienceMs);
      this.#waiting.add(wake);
    });
  }
}
