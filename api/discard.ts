import type { Readable } from 'node:stream';
import { limits } from '../domain/limits.ts';
import { Allowance } from './allowance.ts';

/**
 * Reads what nobody wants, so much a second for all together: clients that send without end would have the daemon do
 * nothing else. When that is used up the connection ends at once.
 */
export class Discard {
  readonly #allowance: Allowance;

  /** @param now ms, never back */
  constructor(now: () => number) {
    const bucket = { burst: limits.discardBurstBytes, perS: limits.discardBytesPerS };
    this.#allowance = new Allowance(bucket, now);
  }

  add(stream: Readable): void {
    stream.on('data', (chunk: Buffer) => {
      if (!this.#allowance.spend(chunk.length)) stream.destroy();
    });
    stream.resume();
  }
}
