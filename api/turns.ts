interface Waiting {
  readonly begin: () => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Costly questions are begun one in a turn of the event loop: between two of them whatever else has come in goes on, the
 * commands of others first of all. After each comes a rest of `rest` times what the turn took, so that they take their
 * part of a busy process and no more. Who asks a thousand at once waits longer himself.
 */
export class Turns {
  readonly #rest: number;
  readonly #waiting: Waiting[] = [];
  #isBusy = false;
  #begunAt = 0;

  constructor(rest = 0) {
    this.#rest = rest;
  }

  /** Resolves when the caller's turn has come. A caller that has given up takes no turn from those behind it. */
  next(signal?: AbortSignal): Promise<void> {
    return new Promise((begin) => {
      this.#waiting.push({ begin, signal });
      if (!this.#isBusy) setImmediate(this.#begin);
      this.#isBusy = true;
    });
  }

  readonly #begin = (): void => {
    this.#isBusy = false;
    while (!this.#isBusy) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next.begin();
      this.#isBusy = next.signal?.aborted !== true;
    }
    this.#begunAt = performance.now();
    setImmediate(this.#rest === 0 ? this.#begin : this.#pause);
  };

  readonly #pause = (): void => {
    setTimeout(this.#begin, this.#rest * (performance.now() - this.#begunAt));
  };
}
