import type { Clock } from '../../supervisors/clock.ts';

/**
 * The time that goes into the log: the wall clock, but never back. While the wall clock is behind what was written (it
 * was set back, or another manager's was ahead), time goes on at half speed, so that delays last twice as long rather
 * than until the wall clock has caught up.
 */
export class LogClock {
  readonly #clock: Clock;
  readonly #wallNow: () => number;
  #at: number;
  #since: number;

  /** @param at time of the newest record, ms */
  constructor(clock: Clock, wallNow: () => number, at: number) {
    this.#clock = clock;
    this.#wallNow = wallNow;
    this.#at = at;
    this.#since = clock.now();
  }

  /** Milliseconds since 1970, whole. */
  now(): number {
    const since = this.#clock.now();
    this.#at = Math.max(this.#wallNow(), this.#at + (since - this.#since) / 2);
    this.#since = since;
    return Math.floor(this.#at);
  }
}
