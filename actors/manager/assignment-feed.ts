import type { Assign, LeaderTerm } from '../../bus/protocol.ts';
import type { AssignmentPart } from '../../domain/assign/outbox.ts';

/** What has yet to be told: `domain/assign/outbox.ts`. */
export interface Parts {
  add(ids: Iterable<string>): void;
  next(): { readonly part: AssignmentPart; readonly bytes: number } | undefined;
}
export interface FeedInput {
  readonly epoch: LeaderTerm;
  readonly session: string;
  readonly parts: Parts;
  readonly send: (assign: Assign) => void;
}

/** Heartbeats that a part may be on its way for, and how many bytes of it have one heartbeat more: networks may be slow. */
const heartbeatsOnItsWay = 1;
const bytesPerHeartbeat = 128 * 1_024;

/**
 * Brings a node its assignments in one session: one numbered part at a time, the next when a heartbeat says that the node took
 * the last. What changes meanwhile is told in the next part, so a slow node costs no memory.
 */
export class AssignmentFeed {
  readonly #input: FeedInput;
  /** Number of the last part sent, and of the last that the node took. */
  #sent = 0;
  #taken = 0;
  /** Heartbeats since it was sent that do not tell of it, and how many there may be. */
  #missed = 0;
  #missedMax = 0;

  constructor(input: FeedInput) {
    this.#input = input;
  }

  /** Sends the first part of the full set. */
  begin(): void {
    this.#sendNext();
  }

  /** Something of these tasks is news to the node. */
  add(ids: Iterable<string>): void {
    this.#input.parts.add(ids);
    this.#sendNext();
  }

  /** Whether a heartbeat that tells of `seq` means that the part on its way got lost. */
  isLost(seq: number): boolean {
    return seq < this.#sent && this.#missed >= this.#missedMax;
  }

  /** Whether a heartbeat that tells of `seq` is no news: no part is on its way, and none waits. */
  isSettled(seq: number | undefined): boolean {
    return this.#taken === this.#sent && (seq === undefined || seq >= this.#sent);
  }

  /** The node has taken all up to `seq`. */
  take(seq: number): void {
    if (seq < this.#sent) {
      this.#missed += 1;
      return;
    }
    this.#taken = this.#sent;
    this.#sendNext();
  }

  #sendNext(): void {
    if (this.#taken < this.#sent) return;
    const { epoch, session, parts, send } = this.#input;
    const next = parts.next();
    if (next === undefined) return;
    this.#sent += 1;
    this.#missed = 0;
    this.#missedMax = heartbeatsOnItsWay + Math.floor(next.bytes / bytesPerHeartbeat);
    send({ ...epoch, session, seq: this.#sent, ...next.part });
  }
}

/** Belongs to no session: a gap to the agent, so it says hello. */
export const promptFor = (epoch: LeaderTerm): Assign => ({
  ...epoch,
  session: '',
  seq: 0,
  full: false,
  more: false,
  templates: [],
  put: [],
  ended: [],
  remove: [],
});
