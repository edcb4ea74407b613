/** Pause before an attempt to connect, ms: at least `waitMs`, and a random part of the spread on top. */
const waitMs = 50;
/**
 * Spread by the number of slow attempts in a row. One that fails at once costs nobody anything: nobody listens there.
 * One that fails after a while means that more nodes ask than the server can answer, and asking sooner again makes that
 * worse: thousands would time out for ever.
 */
const spreadMs = [200, 1_000, 4_000, 10_000] as const;
const slowMs = 1_000;
/**
 * The daemon's own connections to its own server are first when it comes up: until the one that answers for
 * certificates is there, every other connection waits in vain.
 */
const ownWaitMs = 10;

/** When to try again. */
export class Pace {
  readonly #own: boolean;
  readonly #now: () => number;
  readonly #random: () => number;
  #slow = 0;
  #dialledAt: number | undefined;

  constructor(own: boolean, now: () => number = () => performance.now(), random = Math.random) {
    this.#own = own;
    this.#now = now;
    this.#random = random;
  }

  /** Called when an attempt is due; answers how long to wait before it is made, ms. */
  next(): number {
    const now = this.#now();
    const isSlow = this.#dialledAt !== undefined && now - this.#dialledAt > slowMs;
    this.#slow = isSlow ? Math.min(this.#slow + 1, spreadMs.length - 1) : 0;
    const wait = this.#own ? ownWaitMs : waitMs + this.#random() * (spreadMs[this.#slow] ?? 0);
    this.#dialledAt = now + wait;
    return wait;
  }

  /** An attempt is made without a pause. */
  start(): void {
    this.#dialledAt = this.#now();
  }

  /** The last attempt succeeded. */
  reset(): void {
    this.#slow = 0;
    this.#dialledAt = undefined;
  }
}
