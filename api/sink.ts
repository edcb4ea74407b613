import type { ServerResponse } from 'node:http';
import type { Readers } from './readers.ts';

/** Writes of several sources into one answer, with the client's pace as the limit. */
export class Sink {
  readonly #res: ServerResponse;
  readonly #readers: Readers;
  #drained: Promise<void> | undefined;

  constructor(res: ServerResponse, readers: Readers) {
    this.#res = res;
    this.#readers = readers;
  }

  /** Where the client is behind: a promise that the caller waits for before it writes more. */
  write(data: Uint8Array | string): Promise<void> | undefined {
    if (this.#res.destroyed || this.#readers.write(this.#res, data)) return this.#drained;
    if (this.#res.destroyed) return this.#drained;
    this.#drained ??= new Promise((resolve) => {
      const done = (): void => {
        this.#res.off('drain', done).off('close', done);
        this.#drained = undefined;
        resolve();
      };
      this.#res.on('drain', done).on('close', done);
    });
    return this.#drained;
  }
}

/** Aborts when the client hangs up, or when `others` do. */
export function hangUp(res: ServerResponse, others: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const abort = (): void => {
    others.removeEventListener('abort', abort);
    gone.abort();
  };
  res.once('close', abort);
  if (res.destroyed || others.aborted) abort();
  else others.addEventListener('abort', abort, { once: true });
  return gone.signal;
}
