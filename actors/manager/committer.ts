import { packedBytes } from '../../bus/codec.ts';
import { changeBytes, type DoneCommand, encodeEntry, type LogEntry } from '../../bus/log-entry.ts';
import type { LogRecord, StateLog } from '../../bus/ports.ts';
import { Fault } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { isClosed } from '../../domain/members/form.ts';
import type { Change, Transaction } from '../../domain/store/changes.ts';
import type { Store } from '../../domain/store/store.ts';
import type { Context, View } from '../../domain/store/view.ts';
import type { Clock } from '../../supervisors/clock.ts';
import { LogClock } from './log-clock.ts';
import { lostLeadership, noLeader, tooLarge } from './faults.ts';
import type { Replica } from './replica.ts';

/** A decision on the newest state. It may run again when its first result could not be written. */
export type Decide<T> = (view: View, ctx: Context) => Decision<T>;
export interface Decision<T> {
  readonly changes: readonly Change[];
  readonly result: T;
  /** Of a plan, any prefix of whose changes is safe: what it comes to when only the first of them fit into the record. */
  readonly cut?: { readonly result: T };
}
export interface Committed<T> {
  readonly result: T;
  /** Sequence of the transaction, or of the state decided on when nothing changed. */
  readonly index: number;
}

export interface CommitterPorts {
  readonly log: StateLog;
  readonly replica: Replica;
  readonly clock: Clock;
  readonly wallNow: () => number;
  readonly newId: () => string;
  readonly node: string;
  readonly generation: number;
  /** The state here is the newest: nobody else can have written. Without it an answer needs a record to prove it. */
  readonly isNewest: () => boolean;
  /** How long a record may be on its way before this leader lets go, ms. */
  readonly patienceMs: () => number;
  /** The log has a record of another writer where this one's should be, or takes none: this leader is deposed. */
  readonly onDeposed: () => void;
  /** A rule was broken while a record was made or applied: this committer has stopped. */
  readonly onCrash: (error: unknown) => void;
}

interface Waiting {
  readonly decide: Decide<unknown>;
  /** Writes a record even when nothing changes. */
  readonly always: boolean;
  readonly resolve: (committed: Committed<unknown>) => void;
  readonly reject: (error: unknown) => void;
  readonly deadline: number;
  /** Of a command that another manager sent. */
  readonly id: string | undefined;
}
/** `lost`: certainly not in the log. `unknown`: nobody has seen it, and it may yet come. */
type Fate = 'written' | 'lost' | 'unknown';
type Answer =
  | { readonly waiting: Waiting; readonly result: unknown }
  | { readonly waiting: Waiting; readonly error: unknown };

/** Proposals older than this are refused with the no-leader text when the log does not take records, ms. */
const queuePatienceMs = 5_000;
const retryMs = { first: 20, max: 250 } as const;
/** How long a deposed leader goes on looking for what became of its last record, ms; and for its own copy to have it. */
const aftermathMs = 5_000;

/**
 * The leader's pen: gathers the proposals that came in while the last record was on its way into one transaction
 * (group commit), one in flight at a time, and answers each only when its record is known to be in the log.
 */
export class Committer {
  readonly #ports: CommitterPorts;
  readonly #time: LogClock;
  #queue: Waiting[] = [];
  /** The committed state plus the decisions of the record being written. */
  #draft: Store;
  #epoch: number;
  #running = false;
  #stopped: Fault | undefined;
  /** Deposed: the record on its way is only looked for, until this time. */
  #lookUntil = Number.NEGATIVE_INFINITY;

  constructor(ports: CommitterPorts) {
    this.#ports = ports;
    this.#time = new LogClock(ports.clock, ports.wallNow, ports.replica.at);
    this.#draft = ports.replica.store.clone();
    this.#epoch = ports.replica.epoch;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The log's time, ms: what decisions take for now. */
  now(): number {
    return this.#time.now();
  }

  /** Appends the record that names this node leader of the next epoch, with what must be in it. */
  claim(decide: Decide<undefined>): Promise<Committed<undefined>> {
    this.#epoch = this.#ports.replica.epoch + 1;
    return this.#enqueue(decide, true);
  }

  /**
   * Resolves when the decision's changes are durable and in the replica's store. Rejects with its Fault.
   * @param id names the command in the log, for the manager that sent it
   */
  propose<T>(decide: Decide<T>, id?: string): Promise<Committed<T>> {
    return this.#enqueue(decide, false, id);
  }

  #enqueue<T>(decide: Decide<T>, always: boolean, id?: string): Promise<Committed<T>> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    if (this.#queue.length >= limits.commandsQueuedMax)
      return Promise.reject(
        new Fault('ResourceExhausted', `${limits.commandsQueuedMax} commands are waiting already`),
      );
    return new Promise<Committed<T>>((resolve, reject) => {
      const deadline = this.#ports.clock.now() + queuePatienceMs;
      this.#queue.push({ decide, always, resolve, reject, deadline, id } as Waiting);
      void this.#run();
    });
  }

  /** Refuses everything from now on. Nothing is applied any more; what is in the log comes with the next catch-up. */
  stop(): void {
    this.#lookUntil = Number.NEGATIVE_INFINITY;
    this.#refuseAll();
  }

  /** As `stop`, but who waits for the record that is on its way still learns what became of it, if that can be seen. */
  retire(): void {
    if (this.#stopped !== undefined) return;
    this.#lookUntil = this.#ports.clock.now() + aftermathMs;
    this.#refuseAll();
  }

  #refuseAll(): void {
    this.#stopped ??= noLeader();
    for (const waiting of this.#queue.splice(0)) waiting.reject(this.#stopped);
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#queue.length > 0 && this.#stopped === undefined) {
        // What is written to a closed generation is void.
        if (isClosed(this.#ports.replica.store, this.#ports.generation)) return this.#depose();
        await this.#commitBatch();
      }
    } catch (error) {
      this.stop();
      this.#ports.onCrash(error);
    } finally {
      this.#running = false;
    }
  }

  async #commitBatch(): Promise<void> {
    const { replica } = this.#ports;
    const index = replica.store.index + 1;
    const at = Math.max(replica.at, this.now());
    const { answers, changes } = this.#decide(index, at);
    const idle = changes.length === 0 && !answers.some((a) => a.waiting.always);
    if (idle && this.#ports.isNewest()) return this.#answer(answers, replica.store.index);
    const entry: LogEntry = {
      generation: this.#ports.generation,
      epoch: this.#epoch,
      leader: this.#ports.node,
      id: this.#ports.newId(),
      at,
      prev: replica.hash,
      changes,
      ...doneIn(answers),
    };
    const data = encodeEntry(entry);
    const fate = await this.#write(index, data);
    if (fate === 'written' && this.#stopped === undefined) {
      replica.commit({ seq: index, data }, entry);
      return this.#answer(answers, index);
    }
    // Whoever stopped it may have closed the journal: the record comes with the next catch-up, if one comes.
    if (fate === 'written' && (await this.#isApplied(index))) return this.#answer(answers, index);
    // Refusals go with the rest: what they were decided on need not be the newest state.
    for (const answer of answers)
      answer.waiting.reject(fate === 'lost' || 'error' in answer ? noLeader() : lostLeadership());
  }

  #isApplied(index: number): Promise<boolean> {
    const { clock, replica } = this.#ports;
    return replica.reached(index, clock, Math.max(0, this.#lookUntil - clock.now()));
  }

  /** Decides what waits, up to what one record holds; what does not fit is decided again for the next one. */
  #decide(index: number, at: number): { answers: Answer[]; changes: Change[] } {
    const answers: Answer[] = [];
    const changes: Change[] = [];
    const ctx: Context = { now: at, newId: this.#ports.newId };
    let room: number = limits.transactionBytesMax;
    while (this.#queue.length > 0 && changes.length < limits.transactionChangesMax) {
      const waiting = this.#queue[0] as Waiting;
      try {
        const decision = fitted(waiting.decide(this.#draft, ctx), waiting.id, room);
        if (decision === undefined && answers.length > 0) break;
        if (decision === undefined) throw tooLarge();
        this.#extendDraft({ index, at, changes: decision.changes }, changes);
        room -= decision.bytes;
        answers.push({ waiting, result: decision.result });
      } catch (error) {
        answers.push({ waiting, error });
      }
      this.#queue.shift();
    }
    return { answers, changes };
  }

  /** Adds one decision to the draft and to `changes`; an impossible one leaves both as they were. */
  #extendDraft(tx: Transaction, changes: Change[]): void {
    if (tx.changes.length === 0) return;
    try {
      this.#draft.extend(tx);
      changes.push(...tx.changes);
    } catch (error) {
      this.#draft = this.#ports.replica.store.clone();
      if (changes.length > 0) this.#draft.extend({ ...tx, changes });
      throw error;
    }
  }

  /**
   * Writes one record at `index`. It is the same in every try and the log takes one record per sequence, so whatever
   * stands at `index` tells: ours, or another leader's.
   */
  async #write(index: number, data: Uint8Array): Promise<Fate> {
    const { log, clock, patienceMs } = this.#ports;
    const began = clock.now();
    for (let wait: number = retryMs.first; ; wait = Math.min(retryMs.max, wait * 2)) {
      if (this.#stopped === undefined) {
        const outcome = await log.append(index - 1, data);
        if (outcome.kind === 'committed') return 'written';
      }
      const found = await this.#find(index, data);
      if (found === 'lost') this.#depose();
      if (found !== 'unknown') return found;
      if (this.#stopped !== undefined && clock.now() >= this.#lookUntil) return 'unknown';
      if (clock.now() - began >= patienceMs()) this.#depose();
      this.#refuseOverdue();
      await new Promise<void>((resolve) => {
        clock.setTimeout(resolve, wait);
      });
    }
  }

  /** Only a positive read proves anything; that another's record stands there, only one from the log's leader. */
  async #find(index: number, data: Uint8Array): Promise<Fate> {
    const { log } = this.#ports;
    const isOurs = (record: LogRecord): boolean => Buffer.compare(record.data, data) === 0;
    // no answer proves nothing: the append stays unknown, and is resolved again
    const [record] = await log.read(index, 1).catch(() => []);
    if (record?.seq !== index) return 'unknown';
    if (isOurs(record)) return 'written';
    const sure = await log.confirm(index).catch(() => undefined);
    if (sure === undefined) return 'unknown';
    return isOurs(sure) ? 'written' : 'lost';
  }

  #depose(): void {
    if (this.#stopped !== undefined) return;
    this.retire();
    this.#ports.onDeposed();
  }

  #refuseOverdue(): void {
    const now = this.#ports.clock.now();
    const overdue = this.#queue.filter((w) => w.deadline <= now);
    if (overdue.length === 0) return;
    this.#queue = this.#queue.filter((w) => w.deadline > now);
    for (const waiting of overdue) waiting.reject(noLeader());
  }

  #answer(answers: readonly Answer[], index: number): void {
    for (const answer of answers)
      if ('error' in answer) answer.waiting.reject(answer.error);
      else answer.waiting.resolve({ result: answer.result, index });
  }
}

/**
 * As much of a decision as fits into `room` bytes: all of it, of a plan the first changes, or undefined.
 * @param id names the command in the record, with its result
 */
function fitted<T>(
  decision: Decision<T>,
  id: string | undefined,
  room: number,
): (Decision<T> & { readonly bytes: number }) | undefined {
  const { changes, result, cut } = decision;
  let bytes = id === undefined ? 0 : packedBytes({ id, result });
  for (const [i, change] of changes.entries()) {
    const more = bytes + changeBytes(change);
    if (more > room)
      return cut === undefined || i === 0
        ? undefined
        : { changes: changes.slice(0, i), result: cut.result, bytes };
    bytes = more;
  }
  return bytes > room ? undefined : { changes, result, bytes };
}

function doneIn(answers: readonly Answer[]): { done?: readonly DoneCommand[] } {
  const done = answers.flatMap((answer) =>
    'result' in answer && answer.waiting.id !== undefined
      ? [{ id: answer.waiting.id, result: answer.result }]
      : [],
  );
  return done.length === 0 ? {} : { done };
}
