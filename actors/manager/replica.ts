import { decodeEntry, hashOf, type LogEntry } from '../../bus/log-entry.ts';
import {
  type Checkpoint,
  type Journal,
  JournalError,
  type LogRecord,
  type StateLog,
} from '../../bus/ports.ts';
import { assert } from '../../domain/assert.ts';
import { limits } from '../../domain/limits.ts';
import type { Applied } from '../../domain/store/changes.ts';
import { LogWeight } from '../../domain/store/log-weight.ts';
import { Store } from '../../domain/store/store.ts';
import type { Clock } from '../../supervisors/clock.ts';
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts';
import { type LeftOut, soundChange, soundObjects } from './sound.ts';

/**
 * This copy of the state and the log cannot both be of one history: the log has lost what this manager knew to be
 * committed, or has other records. Nothing that this copy says may be believed before somebody decides which one counts.
 */
export class LogContradiction extends Error {
  override readonly name = 'LogContradiction';
}

/** Told of every transaction, in log order, after it is in the store. */
export type Watcher = (applied: readonly Applied[], entry: LogEntry) => void;

/**
 * This manager's copy of the cluster's state: what the log says up to `store.index`. It changes only by records of
 * the log in their order; each must carry the hash of the one before (docs/state-log.md).
 */
export class Replica {
  readonly #journal: Journal;
  readonly #watchers = new Set<Watcher>();
  #store: Store;
  #hash = '';
  #epoch = 0;
  #at = 0;
  #leader = '';
  readonly #leftOut: LeftOut;
  readonly #weight: LogWeight;
  #compacting = false;
  /** What a crash cannot take: the journal has it on its disk. */
  #kept = 0;

  private constructor(journal: Journal, checkpointEvery: number, leftOut: LeftOut) {
    this.#journal = journal;
    this.#leftOut = leftOut;
    this.#store = new Store();
    this.#weight = new LogWeight(checkpointEvery);
  }

  /**
   * Rebuilds the copy from the journal alone; `catchUp` brings it to the log's end.
   * @param checkpointEvery records applied between two checkpoints
   * @param leftOut hears what of the state could not be read and is left out
   */
  static async open(
    journal: Journal,
    checkpointEvery: number = limits.checkpointEveryRecords,
    leftOut: LeftOut = () => undefined,
  ): Promise<Replica> {
    const { checkpoint, records } = await journal.load();
    const replica = new Replica(journal, checkpointEvery, leftOut);
    if (checkpoint !== undefined) {
      const state = decodeCheckpoint(checkpoint.data);
      replica.#store = Store.load(checkpoint.seq, soundObjects(state.objects, leftOut));
      replica.#hash = checkpoint.hash;
      replica.#epoch = state.epoch;
      replica.#at = state.at;
      replica.#leader = state.leader;
      replica.#weight.begin(checkpoint.data.byteLength);
    }
    replica.#load(records);
    replica.#kept = replica.#store.index;
    return replica;
  }

  get store(): Store {
    return this.#store;
  }
  /** Highest epoch seen in the log. */
  get epoch(): number {
    return this.#epoch;
  }
  /** Node that claimed the highest epoch; '' before the first claim. */
  get leader(): string {
    return this.#leader;
  }
  /** Hash of the last record: what the next one must carry. */
  get hash(): string {
    return this.#hash;
  }
  /** Time of the last transaction, ms. */
  get at(): number {
    return this.#at;
  }

  /** Up to here the journal is on its disk. */
  get kept(): number {
    return this.#kept;
  }

  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Applies records that are in the log behind this copy's end; gaps are refused, known ones skipped. */
  accept(record: LogRecord): void {
    if (record.seq <= this.#store.index) return;
    this.#applyRecord(record);
    this.#journal.append(record);
  }

  /** As `accept`, for the writer of the record, who need not decode it. */
  commit(record: LogRecord, entry: LogEntry): readonly Applied[] {
    const applied = this.#apply(record, entry);
    this.#journal.append(record);
    return applied;
  }

  /** True as soon as this copy is at `index`, false when it is not within `limitMs`. */
  reached(index: number, clock: Clock, limitMs: number): Promise<boolean> {
    if (this.#store.index >= index) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (reached: boolean): void => {
        off();
        clock.clearTimeout(timer);
        resolve(reached);
      };
      const off = this.watch(() => {
        if (this.#store.index >= index) end(true);
      });
      const timer = clock.setTimeout(() => end(false), limitMs);
    });
  }

  /**
   * As `accept`; a record that does not fit counts only as the log's leader has it. False when the leader does not tell
   * now, or `isOver`. Rejects with `LogContradiction`.
   */
  async acceptFrom(
    log: StateLog,
    records: readonly LogRecord[],
    isOver: () => boolean,
  ): Promise<boolean> {
    for (const record of records)
      try {
        this.accept(record);
      } catch (error) {
        if (!(error instanceof LogContradiction)) throw error;
        // without an answer nothing is proved: the record is looked at again
        const sure = await log.confirm(record.seq).catch(() => undefined);
        if (isOver() || sure === undefined) return false;
        this.accept(sure);
      }
    return true;
  }

  /**
   * Reads the log to the end that it reports now. Rejects when the log cannot be reached or does not fit
   * (`LogContradiction`), and when `scope` ends: from then on this copy is left alone.
   */
  async catchUp(log: StateLog, scope?: AbortSignal): Promise<void> {
    const before = this.#store.index;
    const { last } = await log.bounds();
    scope?.throwIfAborted();
    if (before > last)
      throw new LogContradiction(
        `this manager knows of record ${before}, and the log ends at ${last}`,
      );
    while (this.#store.index < last) {
      const records = await log.read(this.#store.index + 1, limits.logReadRecordsMax);
      scope?.throwIfAborted();
      // Nothing read proves nothing: a replica of the log may be behind the one that told of its end.
      if (records.length === 0 && this.#store.index < last)
        throw new Error(`the log does not answer with record ${this.#store.index + 1} of ${last}`);
      const taken = await this.acceptFrom(log, records, () => scope?.aborted === true);
      scope?.throwIfAborted();
      if (!taken)
        throw new Error('a record does not fit, and the leader of the log does not tell its own');
    }
  }

  /** Syncs the journal. Rejects when the disk fails; the next flush tries again. */
  async flush(): Promise<void> {
    const seq = this.#store.index;
    await this.#journal.flush();
    this.#kept = Math.max(this.#kept, seq);
  }

  /** This copy as it is, to begin another journal with. */
  snapshot(): Checkpoint {
    const { index: seq } = this.#store;
    const data = encodeCheckpoint({
      epoch: this.#epoch,
      at: this.#at,
      leader: this.#leader,
      objects: this.#store.dump(),
    });
    return { seq, hash: this.#hash, data };
  }

  /**
   * Writes a checkpoint when enough has been applied since the last, then lets the log forget what is behind it and
   * behind `needed`.
   * @param needed where the log must go on from for others, asked when the checkpoint is on the disk
   */
  async compact(log: StateLog, needed: () => number): Promise<void> {
    if (this.#compacting || !this.#weight.isDue) return;
    this.#compacting = true;
    const checkpoint = this.snapshot();
    const { seq } = checkpoint;
    this.#weight.begin(checkpoint.data.byteLength);
    const tail = this.#weight.tailRecords;
    try {
      await this.#journal.checkpoint(checkpoint);
      this.#kept = Math.max(this.#kept, seq);
      const end = Math.min(seq, needed()) - tail;
      if (end > 0) await log.purge(end);
    } finally {
      this.#compacting = false;
    }
  }

  #load(records: readonly LogRecord[]): void {
    try {
      for (const record of records) this.#applyRecord(record);
    } catch (error) {
      if (!(error instanceof LogContradiction)) throw error;
      throw new JournalError(`the journal does not fit together: ${error.message}`);
    }
  }

  #applyRecord(record: LogRecord): void {
    this.#apply(record, decodeEntry(record.data));
  }

  #apply(record: LogRecord, entry: LogEntry): readonly Applied[] {
    assert(record.seq === this.#store.index + 1, `record ${record.seq} after ${this.#store.index}`);
    if (entry.prev !== this.#hash)
      throw new LogContradiction(
        `record ${record.seq} of the log does not follow record ${this.#store.index} that this manager knows`,
      );
    assert(entry.epoch >= this.#epoch, `record ${record.seq} is of a deposed leader`);
    assert(
      entry.epoch > this.#epoch || entry.leader === this.#leader,
      `record ${record.seq}: two leaders of epoch ${entry.epoch}`,
    );
    const changes = entry.changes.map((change) => soundChange(change, this.#leftOut));
    const applied = this.#store.apply({ index: record.seq, at: entry.at, changes });
    this.#hash = hashOf(record.data);
    this.#at = entry.at;
    this.#epoch = entry.epoch;
    this.#leader = entry.leader;
    this.#weight.add(record.data.byteLength);
    for (const watcher of this.#watchers) watcher(applied, entry);
    return applied;
  }
}
