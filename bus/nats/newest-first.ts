export interface NewestFirstOptions {
  /** Beyond, the oldest is dropped. */
  readonly itemsMax: number;
  /** Older items are dropped: who asked has given up. */
  readonly ageMsMax: number;
}

/** Work between two looks at the network. */
const turnMsMax = 5;

/**
 * Handles what comes in, newest first. When more is asked than can be answered in time, first come first served would
 * answer only those who have given up already, and nobody would ever be served.
 */
export class NewestFirst<T> {
  readonly #handle: (item: T) => void;
  readonly #options: NewestFirstOptions;
  #items: { readonly item: T; readonly at: number }[] = [];
  #scheduled = false;

  /** `handle` must not throw. */
  constructor(handle: (item: T) => void, options: NewestFirstOptions) {
    this.#handle = handle;
    this.#options = options;
  }

  add(item: T): void {
    if (this.#items.length >= this.#options.itemsMax) this.#items.shift();
    this.#items.push({ item, at: performance.now() });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#items.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turn();
      this.#schedule();
    });
  }

  #turn(): void {
    const start = performance.now();
    for (let next = this.#items.pop(); next !== undefined; next = this.#items.pop()) {
      if (next.at < start - this.#options.ageMsMax) {
        // All that are left are older.
        this.#items = [];
        return;
      }
      this.#handle(next.item);
      if (performance.now() - start > turnMsMax) return;
    }
  }
}
