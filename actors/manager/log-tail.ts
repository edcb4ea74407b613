import type { LogRecord, StateLog, Unsubscribe } from '../../bus/ports.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../supervisors/clock.ts';
import { LogContradiction, type Replica } from './replica.ts';

/** How often gaps are looked for, ms; and how often it is asked for news of which nothing has told, in such looks. */
const fillEveryMs = 250;
const blindLookEvery = 8;

export interface LogTailPorts {
  readonly log: StateLog;
  readonly replica: Replica;
  readonly clock: Clock;
  /** This manager's copy and the log do not fit together; the tail has stopped. */
  readonly onContradiction: (error: LogContradiction) => void;
  readonly onCrash: (error: unknown) => void;
}

/**
 * Keeps a follower's copy current: records as the log tells of them, and reads where some were skipped. While this
 * manager writes itself there is no tail, for then the committer applies what it has written.
 */
export class LogTail {
  readonly #ports: LogTailPorts;
  readonly #off: Unsubscribe;
  #timer: number | undefined;
  /** Newest sequence that anybody has told of. */
  #told = 0;
  #looks = 0;
  #filling = false;
  #stopped = false;

  constructor(ports: LogTailPorts) {
    this.#ports = ports;
    this.#off = ports.log.tail((record) => this.#take(record));
    this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#off();
    if (this.#timer !== undefined) this.#ports.clock.clearTimeout(this.#timer);
  }

  /** Somebody knows of a record `seq`; it is read unless it comes by itself. */
  expect(seq: number): void {
    this.#told = Math.max(this.#told, seq);
  }

  /** Reads on: after a reconnect what was told meanwhile is lost. */
  fill(): void {
    if (this.#filling || this.#stopped) return;
    this.#filling = true;
    void this.#read().finally(() => (this.#filling = false));
  }

  #look(): void {
    const { clock, replica } = this.#ports;
    this.#looks += 1;
    if (replica.store.index < this.#told || this.#looks % blindLookEvery === 0) this.fill();
    this.#timer = clock.setTimeout(() => this.#look(), fillEveryMs);
  }

  #take(record: LogRecord): void {
    if (this.#stopped) return;
    this.expect(record.seq);
    const { replica } = this.#ports;
    if (record.seq > replica.store.index + 1) return this.fill();
    try {
      replica.accept(record);
    } catch (error) {
      // one that does not fit is read again, from the log's leader
      if (error instanceof LogContradiction) this.fill();
      else this.#crash(error);
    }
  }

  async #read(): Promise<void> {
    const { log, replica } = this.#ports;
    for (;;) {
      const from = replica.store.index + 1;
      // The log cannot be reached, or it has no more: the next look tries again.
      const records = await log.read(from, limits.logReadRecordsMax).catch(() => []);
      if (this.#stopped || records.length === 0) return;
      if (!(await this.#accept(records)) || this.#stopped) return;
    }
  }

  /** False when nothing can be accepted now. */
  async #accept(records: readonly LogRecord[]): Promise<boolean> {
    const { log, replica, onContradiction } = this.#ports;
    try {
      return await replica.acceptFrom(log, records, () => this.#stopped);
    } catch (error) {
      if (!(error instanceof LogContradiction)) this.#crash(error);
      else {
        this.stop();
        onContradiction(error);
      }
      return false;
    }
  }

  #crash(error: unknown): void {
    this.stop();
    this.#ports.onCrash(error);
  }
}
