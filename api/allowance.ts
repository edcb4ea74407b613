import { type Bucket, refilled } from '../domain/assign/bucket.ts';

/** What all together may spend: so much at once, and so much a second. */
export class Allowance {
  readonly #bucket: Bucket;
  readonly #now: () => number;
  #left: number;
  #at: number;

  /** @param now ms, never back */
  constructor(bucket: Bucket, now: () => number) {
    this.#bucket = bucket;
    this.#now = now;
    this.#left = bucket.burst;
    this.#at = now();
  }

  /** False where nothing is left behind it. */
  spend(amount: number): boolean {
    const now = this.#now();
    this.#left = Math.max(0, refilled(this.#left, this.#bucket, now - this.#at) - amount);
    this.#at = now;
    return this.#left > 0;
  }
}
