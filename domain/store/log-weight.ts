import { limits } from '../limits.ts';

/**
 * How much of the log there is since the last checkpoint, and how much of it may stay behind one: counted in records, and in
 * bytes, because records are of any size up to a transaction's.
 */
export class LogWeight {
  readonly #everyRecords: number;
  #records = 0;
  #bytes = 0;
  /** Of the last checkpoint. */
  #stateBytes = 0;
  /** Sizes of the newest records, bytes, oldest first; those before `#first` count no more. */
  #tail: number[] = [];
  #first = 0;
  #tailBytes = 0;

  constructor(everyRecords: number) {
    this.#everyRecords = everyRecords;
  }

  add(bytes: number): void {
    this.#records += 1;
    this.#bytes += bytes;
    this.#tail.push(bytes);
    this.#tailBytes += bytes;
    while (this.tailRecords > limits.logTailRecordsKept || this.#isTailLarge)
      this.#tailBytes -= this.#tail[this.#first++] ?? 0;
    if (this.#first < limits.logTailRecordsKept) return;
    this.#tail = this.#tail.slice(this.#first);
    this.#first = 0;
  }

  /**
   * Time for a checkpoint. A large state is written again only when the log has grown by as much, so what is written for
   * checkpoints is at most as much as what was written anyway.
   */
  get isDue(): boolean {
    const bytes = Math.max(limits.checkpointEveryBytes, this.#stateBytes);
    return this.#records >= this.#everyRecords || this.#bytes >= bytes;
  }

  /** @param bytes of the checkpoint */
  begin(bytes: number): void {
    this.#records = 0;
    this.#bytes = 0;
    this.#stateBytes = bytes;
  }

  /** How many of the newest records stay in the log behind a checkpoint. */
  get tailRecords(): number {
    return this.#tail.length - this.#first;
  }

  get #isTailLarge(): boolean {
    return this.#tailBytes > limits.logTailBytesKept && this.tailRecords > 0;
  }
}
