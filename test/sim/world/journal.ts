import { type Checkpoint, type Journal, JournalError, type LogRecord } from '../../../bus/ports.ts';
import { assert } from '../../../domain/assert.ts';
import type { Random } from './random.ts';
import type { SimProcess } from './process.ts';

/** A manager's disk: what its journal has synced, and what a crash may lose. */
export class JournalDisk {
  readonly #random: Random;
  #checkpoint: Checkpoint | undefined;
  #durable: LogRecord[] = [];
  #buffered: LogRecord[] = [];
  /** Share of the writes that fail. */
  failureRate = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Up to where it is on the disk. */
  get end(): number {
    return this.#durable.at(-1)?.seq ?? this.#checkpoint?.seq ?? 0;
  }
  /** Another disk with what is on this one. */
  copy(): JournalDisk {
    const copy = new JournalDisk(this.#random);
    copy.#checkpoint = this.#checkpoint;
    copy.#durable = [...this.#durable];
    return copy;
  }

  /** The journal as one incarnation of the manager sees it; as strict as the real one. */
  open(process: SimProcess): Journal {
    let closed = false;
    let last = this.#durable.at(-1)?.seq ?? this.#checkpoint?.seq;
    process.onDeath(() => this.#crash());
    return {
      load: () => Promise.resolve(this.#load()),
      append: (record) => {
        if (!process.alive) return;
        assert(!closed, 'the journal is not open');
        assert(
          last === undefined || record.seq === last + 1,
          `record ${record.seq} does not follow ${last}`,
        );
        last = record.seq;
        this.#buffered.push(record);
      },
      flush: () => this.#write(process, () => this.#sync(this.#buffered.length)),
      checkpoint: (checkpoint) =>
        this.#write(process, () => {
          this.#replace(checkpoint);
          // One from another manager may be ahead of what was appended.
          last = Math.max(last ?? 0, checkpoint.seq);
        }),
      close: () => {
        closed = true;
        return this.#write(process, () => this.#sync(this.#buffered.length));
      },
    };
  }

  #write(process: SimProcess, run: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      process.clock.setTimeout(
        () => {
          if (this.#random.chance(this.failureRate))
            return reject(new JournalError('the journal cannot be written: no space left'));
          run();
          resolve();
        },
        this.#random.between(0.2, 20),
      );
    });
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
