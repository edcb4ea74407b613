import type { ServerResponse } from 'node:http';
import { limits } from '../domain/limits.ts';
import { HttpError } from './errors.ts';
import type { LogEvent } from './log.ts';

/** What answers hold that their clients have not read, and how many of them have no end: bounded for all together. */
export class Readers {
  readonly #log: LogEvent;
  readonly #unread = new Map<ServerResponse, number>();
  #unreadBytes = 0;
  #streams = 0;
  /** Tasks whose logs are being read, for all clients together. */
  logTasks = 0;

  constructor(log: LogEvent) {
    this.#log = log;
  }

  /** Counts a stream until it is closed. Throws where there are as many as there may be. */
  open(res: ServerResponse): void {
    const { apiStreamsMax, logTasksReadMax } = limits;
    if (this.#streams >= apiStreamsMax)
      throw new HttpError(429, `${apiStreamsMax} streams are open already; try again`);
    if (this.logTasks >= logTasksReadMax)
      throw new HttpError(
        429,
        `logs of ${logTasksReadMax} tasks are being read already; try again`,
      );
    this.#streams += 1;
    if (this.#streams === apiStreamsMax) this.#log('api_streams_full', { streams: this.#streams });
    res.once('close', () => (this.#streams -= 1));
  }

  /** Whether the client keeps up. Where all together are too far behind, the one that is furthest is cut off. */
  write(res: ServerResponse, data: Uint8Array | string): boolean {
    const size = this.#hold(res, data);
    const keepsUp = res.write(data, () => this.#add(res, -size));
    this.#makeRoom();
    return keepsUp;
  }

  /** The last of an answer. */
  end(res: ServerResponse, data: string): void {
    this.#hold(res, data);
    res.end(data);
    this.#makeRoom();
  }

  #hold(res: ServerResponse, data: Uint8Array | string): number {
    const size = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
    if (res.destroyed) return 0;
    if (!this.#unread.has(res)) {
      this.#unread.set(res, 0);
      res.once('close', () => {
        this.#add(res, -(this.#unread.get(res) ?? 0));
        this.#unread.delete(res);
      });
    }
    this.#add(res, size);
    return size;
  }

  #add(res: ServerResponse, bytes: number): void {
    const held = this.#unread.get(res);
    if (held === undefined) return;
    this.#unread.set(res, held + bytes);
    this.#unreadBytes += bytes;
  }

  #makeRoom(): void {
    while (this.#unreadBytes > limits.apiUnreadBytesMax) {
      const [res, bytes] = [...this.#unread].reduce((most, one) => (one[1] > most[1] ? one : most));
      this.#log('client_cut_off', { path: res.req.url, unread: bytes });
      this.#add(res, -bytes);
      this.#unread.delete(res);
      res.destroy();
    }
  }
}
