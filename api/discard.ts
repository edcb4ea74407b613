import type { Readable } from 'node:stream';
import { limits } from '../domain/limits.ts';

/**
 * Reads what nobody wants, so much a second for all together: clients that send without end would have the daemon do
 * nothing else. When that is used up the connection ends at once.
 */
export class Discard {
  readonly #now: () => number;
  #left: number = limits.discardBurstBytes;
  #at: number;

  /** @param now ms, never back */
  constructor(now: () => number) {
    this.#now = now;
    this.#at = now();
  }

  add(stream: Readable): void {
    stream.on('data', (chunk: Buffer) => {
      if (!this.#spend(chunk.length)) stream.destroy();
    });
    stream.resume();
  }

  #spend(bytes: number): boolean {
    const now = this.#now();
    const { discardBurstBytes, discardBytesPerS } = limits;
    const left = this.#left + ((now - this.#at) / 1_000) * discardBytesPerS;
    this.#left = Math.max(0, Math.min(discardBurstBytes, left) - bytes);
    this.#at = now;
    return this.#left > 0;
  }
}
