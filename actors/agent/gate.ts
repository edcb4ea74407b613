import { abortedError } from './ports.ts';

/** Lets at most `size` pieces of work run at the same time; the others wait in their order. */
export class Gate {
  #free: number;
  /** A set keeps the order of arrival and forgets an aborted one at once. */
  readonly #queue = new Set<() => void>();

  constructor(size: number) {
    this.#free = size;
  }

  /** Rejects when `scope` aborts before the work's turn; once begun, the work is its own master. */
  async run<T>(work: () => Promise<T>, scope: AbortSignal): Promise<T> {
    if (scope.aborted) throw abortedError();
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(scope);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #turn(scope: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#queue.delete(enter);
        reject(abortedError());
      };
      const enter = (): void => {
        scope.removeEventListener('abort', abort);
        resolve();
      };
      this.#queue.add(enter);
      scope.addEventListener('abort', abort, { once: true });
    });
  }

  /** Hands the place to the first in line, so that nobody can come between. */
  #leave(): void {
    const next = this.#queue.values().next();
    if (next.done === true) {
      this.#free += 1;
      return;
    }
    this.#queue.delete(next.value);
    next.value();
  }
}
