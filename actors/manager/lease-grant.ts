import type { Abdication, LeaderHeartbeat } from '../../bus/protocol.ts';
import { termMs } from './quorum.ts';

const never = Number.NEGATIVE_INFINITY;

/**
 * Which leader this manager hears, and whether the leader's lease may count on it. It grants the lease to the newest epoch only, and
 * a newer one not before `grantGap` has passed since its last grant to an older one. It remembers nothing across a restart,
 * so after one it grants nothing for as long.
 */
export class LeaseGrant {
  readonly #generation: number;
  #epoch = 0;
  #nodeId = '';
  #heardAt: number;
  #grantedAt: number;
  #grantedEpoch = 0;
  /** The newest leader gets grants from here on. */
  #from: number;

  /** @param now on the monotonic clock, ms, as everywhere here */
  constructor(generation: number, now: number) {
    this.#generation = generation;
    this.#heardAt = now;
    this.#grantedAt = now;
    this.#from = now + termMs.grantGap;
  }

  /** Highest epoch of which a leader was heard. */
  get epoch(): number {
    return this.#epoch;
  }

  /** When this manager may grant itself the lease. */
  get ownFrom(): number {
    return this.#grantedAt + termMs.grantGap;
  }

  /**
   * Takes a leader's heartbeat; true when its lease may count on this manager.
   * @param logEpoch highest epoch that this manager has seen in the log
   */
  hear(heartbeat: LeaderHeartbeat, logEpoch: number, now: number): boolean {
    if (!this.#take(heartbeat, logEpoch)) return false;
    this.#heardAt = now;
    if (now < this.#from) return false;
    this.#grantedAt = now;
    this.#grantedEpoch = heartbeat.epoch;
    return true;
  }

  /**
   * The leader has let go: nobody need wait for its silence, nor for the end of a lease that counted on this manager.
   * True when it was the newest.
   */
  release(abdication: Abdication, logEpoch: number): boolean {
    if (!this.#take(abdication, logEpoch)) return false;
    this.#nodeId = '';
    this.#heardAt = never;
    // The lease of a leader before it may go on: only its own has ended.
    if (this.#grantedEpoch === abdication.epoch) this.#grantedAt = never;
    return true;
  }

  /** No leader has been heard for as long as a lease may last. */
  isSilent(now: number): boolean {
    return now - this.#heardAt >= termMs.grantGap;
  }

  /** How long ago a leader was heard, ms; as of the begin where none has been. */
  heardFor(now: number): number {
    return now - this.#heardAt;
  }

  /** The leader that is heard; '' for none. */
  leader(now: number): string {
    return now - this.#heardAt < termMs.silence + termMs.silenceJitter ? this.#nodeId : '';
  }

  /** Notes the newest epoch; false for what is older, or not of it. */
  #take({ generation, epoch, nodeId }: Abdication, logEpoch: number): boolean {
    if (generation !== this.#generation || epoch < this.#epoch || epoch < logEpoch) return false;
    if (epoch === this.#epoch) return nodeId === this.#nodeId;
    this.#epoch = epoch;
    this.#nodeId = nodeId;
    this.#from = this.#grantedAt + termMs.grantGap;
    return true;
  }
}
