import type { Checkpoint, Journal, LogRecord } from '../../../bus/ports.ts';
import type { Random } from './random.ts';
import type { SimProcess } from './process.ts';

/** A manager's disk: what its journal has synced, and what a crash may lose. */
export class JournalDisk {
  readonly #random: Random;
  #checkpoint: Checkpoint | undefined;
  #durable: LogRecord[] = [];
  #buffered: LogRecord[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** The journal as one incarnation of the manager sees it. */
  open(process: SimProcess): Journal {
    const alive = (): boolean => process.alive;
    process.onDeath(() => this.#crash());
    const after = (run: () => void): Promise<void> =>
      new Promise((resolve) => {
        process.clock.setTimeout(
          () => {
            run();
            resolve();
          },
          this.#random.between(0.2, 20),
        );
      });
    return {
      load: () => Promise.resolve(this.#load()),
      append: (record) => {
        if (alive()) this.#buffered.push(record);
      },
      flush: () => after(() => this.#sync(this.#buffered.length)),
      checkpoint: (checkpoint) => after(() => this.#replace(checkpoint)),
      close: () => after(() => this.#sync(this.#buffered.length)),
    };
  }

  #load(): { checkpoint?: Checkpoint; records: readonly LogRecord[] } {
    const records = [...this.#durable];
    return this.#checkpoint === undefined ? { records } : { checkpoint: this.#checkpoint, records };
  }

  #sync(count: number): void {
    this.#durable.push(...this.#buffered.splice(0, count));
  }

  #replace(checkpoint: Checkpoint): void {
    this.#checkpoint = checkpoint;
    this.#sync(this.#buffered.length);
    this.#durable = this.#durable.filter((record) => record.seq > checkpoint.seq);
  }

  /** Any part of what was not synced may have reached the disk all the same, from the front. */
  #crash(): void {
    this.#sync(this.#random.int(0, this.#buffered.length));
    this.#buffered = [];
  }
}
