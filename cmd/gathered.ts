import type { Clock } from '../supervisors/clock.ts';

export interface Settling {
  /** How long nothing more is to be asked for, ms. */
  readonly quietMs: number;
  /** When the work is done all the same, ms after it was asked for. */
  readonly latestMs: number;
}
const never: Settling = { quietMs: Number.POSITIVE_INFINITY, latestMs: Number.POSITIVE_INFINITY };

/** Work that is asked for many times in a row, and done once when that has settled; never twice at a time. */
export class Gathered {
  readonly #work: () => Promise<void>;
  readonly #clock: Pick<Clock, 'now' | 'setTimeout' | 'clearTimeout'>;
  #timer: number | undefined;
  #quietMs = never.quietMs;
  /** On the clock. */
  #latestAt = never.latestMs;
  #isWorking = false;

  /** @param work must not reject */
  constructor(
    work: () => Promise<void>,
    clock: Pick<Clock, 'now' | 'setTimeout' | 'clearTimeout'>,
  ) {
    this.#work = work;
    this.#clock = clock;
  }

  /** The most urgent of those that have asked since the last time decides. */
  ask({ quietMs, latestMs }: Settling): void {
    this.#quietMs = Math.min(this.#quietMs, quietMs);
    this.#latestAt = Math.min(this.#latestAt, this.#clock.now() + latestMs);
    if (!this.#isWorking) this.#schedule();
  }

  /** What was asked for and has not begun is not done any more. */
  end(): void {
    this.#quietMs = never.quietMs;
    this.#latestAt = never.latestMs;
    this.#unschedule();
  }

  #schedule(): void {
    this.#unschedule();
    const waitMs = Math.min(this.#quietMs, this.#latestAt - this.#clock.now());
    this.#timer = this.#clock.setTimeout(() => void this.#begin(), Math.max(0, waitMs));
  }

  #unschedule(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #begin(): Promise<void> {
    this.end();
    this.#isWorking = true;
    await this.#work();
    this.#isWorking = false;
    if (this.#latestAt < never.latestMs) this.#schedule();
  }
}
