import type { Beat } from '../../bus/protocol.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../supervisors/clock.ts';

interface Heard {
  readonly at: number;
  readonly pending?: Beat;
  readonly timer?: number;
}

/** Beats of nodes, no more of each than are of use: those that come while one waits take its place. */
export class Beats {
  readonly #clock: Clock;
  readonly #handle: (nodeId: string, beat: Beat) => void;
  readonly #nodes = new Map<string, Heard>();

  constructor(clock: Clock, handle: (nodeId: string, beat: Beat) => void) {
    this.#clock = clock;
    this.#handle = handle;
  }

  hear(nodeId: string, beat: Beat): void {
    const heard = this.#nodes.get(nodeId);
    const now = this.#clock.now();
    const waitMs = heard === undefined ? 0 : heard.at + limits.beatEveryMsMin - now;
    if (heard?.pending !== undefined) this.#nodes.set(nodeId, { ...heard, pending: beat });
    else if (heard === undefined || waitMs <= 0) this.#pass(nodeId, beat);
    else {
      const timer = this.#clock.setTimeout(() => {
        const pending = this.#nodes.get(nodeId)?.pending;
        if (pending !== undefined) this.#pass(nodeId, pending);
      }, waitMs);
      this.#nodes.set(nodeId, { at: heard.at, pending: beat, timer });
    }
  }

  forget(nodeId: string): void {
    const timer = this.#nodes.get(nodeId)?.timer;
    if (timer !== undefined) this.#clock.clearTimeout(timer);
    this.#nodes.delete(nodeId);
  }

  stop(): void {
    for (const nodeId of this.#nodes.keys()) this.forget(nodeId);
  }

  #pass(nodeId: string, beat: Beat): void {
    this.#nodes.set(nodeId, { at: this.#clock.now() });
    this.#handle(nodeId, beat);
  }
}
