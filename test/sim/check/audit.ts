import { decodeEntry, hashOf, type LogEntry } from '../../../bus/log-entry.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import { Store } from '../../../domain/store/store.ts';
import type { SimLog } from '../world/log.ts';
import { Violation } from './violation.ts';

/** One record of the log and what it did. */
export interface Seen {
  readonly seq: number;
  readonly entry: LogEntry;
  readonly applied: readonly Applied[];
  /** The state after it. */
  readonly store: Store;
}
export type RecordCheck = (seen: Seen) => void;

const recordsKept = 2_000;

/**
 * Reads every record as soon as it is in the log and rebuilds the state from the records alone, as another manager
 * would; the other checkers see the cluster through it.
 */
export class Audit {
  readonly store = new Store();
  readonly #log: SimLog;
  readonly #checks: readonly RecordCheck[];
  /** The newest records; older ones are of no interest to anybody. */
  readonly #recent = new Map<number, Seen>();
  #last = 0;
  #hash = '';
  #epoch = 0;
  #leader = '';
  #at = 0;

  constructor(log: SimLog, checks: readonly RecordCheck[]) {
    this.#log = log;
    this.#checks = checks;
  }

  get last(): number {
    return this.#last;
  }

  /** The record at `seq`, if it is one of the last `recordsKept`. */
  record(seq: number): Seen | undefined {
    return this.#recent.get(seq);
  }

  poll(): void {
    while (this.last < this.#log.last)
      for (const { seq, data } of this.#log.slice(this.last + 1, 100)) this.#take(seq, data);
  }

  #take(seq: number, data: Uint8Array): void {
    const entry = decodeEntry(data);
    const broken = (what: string): never => {
      throw new Violation('log', `record ${seq} ${what}`);
    };
    if (seq !== this.last + 1) broken(`after ${this.last}`);
    if (entry.prev !== this.#hash) broken('does not carry the hash of the one before');
    if (entry.epoch < this.#epoch) broken(`of epoch ${entry.epoch} after epoch ${this.#epoch}`);
    if (entry.epoch === this.#epoch && entry.leader !== this.#leader)
      broken(`of ${entry.leader} in epoch ${entry.epoch}, which ${this.#leader} leads`);
    if (entry.at < this.#at) broken('goes back in time');
    this.#hash = hashOf(data);
    this.#epoch = entry.epoch;
    this.#leader = entry.leader;
    this.#at = entry.at;
    const changes = entry.changes;
    const applied = this.store.apply({ index: seq, at: entry.at, changes });
    const seen = { seq, entry, applied, store: this.store };
    this.#last = seq;
    this.#recent.set(seq, seen);
    this.#recent.delete(seq - recordsKept);
    for (const check of this.#checks) check(seen);
  }
}
