/**
 * The signal of one task's calls to the engine, of which one is under way at a time. The calls share a signal until one is
 * cut: most tasks never see that, and signals are dear.
 */
export class CallSignal {
  readonly #scope: AbortSignal;
  #controller = new AbortController();

  /** Aborted with `scope`. */
  constructor(scope: AbortSignal) {
    this.#scope = scope;
    scope.addEventListener('abort', () => this.#controller.abort(), { once: true });
    if (scope.aborted) this.#controller.abort();
  }

  get current(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts the call that is under way; the next one has another signal. */
  cut(): void {
    this.#controller.abort();
    if (!this.#scope.aborted) this.#controller = new AbortController();
  }
}
