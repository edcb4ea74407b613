import type { LogRecord, StateLog, Unsubscribe } from '../../bus/ports.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { Replica } from './replica.ts';

/** How often gaps are looked for, ms; and how often it is asked for news of which nothing has told, in such looks. */
const fillEveryMs = 250;
const blindLookEvery = 8;

export interface LogTailPorts {
  readonly log: StateLog;
  readonly replica: Replica;
  readonly clock: Clock;
  /** A record does not fit: this manager's copy or the log is damaged. */
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
    if (record.seq > this.#ports.replica.store.index + 1) return this.fill();
    this.#accept([record]);
  }

  async #read(): Promise<void> {
    const { log, replica } = this.#ports;
    for (;;) {
      const from = replica.store.index + 1;
      // The log cannot be reached, or it has no more: the next look tries again.
      const records = await log.read(from, limits.logReadRecordsMax).catch(() => []);
      if (this.#stopped || records.length === 0) return;
      this.#accept(records);
    }
  }

  #accept(records: readonly LogRecord[]): void {
    try {
      for (const record of records) this.#ports.replica.accept(record);
    } catch (error) {
      this.stop();
      this.#ports.onCrash(error);
    }
  }
}
