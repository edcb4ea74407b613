import type { Heartbeat } from '../../bus/protocol.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../supervisors/clock.ts';

interface Heard {
  readonly at: number;
  readonly pending?: Heartbeat;
  readonly timer?: number;
}

/** Heartbeats of nodes, no more of each than are of use: those that come while one waits take its place. */
export class Heartbeats {
  readonly #clock: Clock;
  readonly #handle: (nodeId: string, heartbeat: Heartbeat) => void;
  readonly #nodes = new Map<string, Heard>();

  constructor(clock: Clock, handle: (nodeId: string, heartbeat: Heartbeat) => void) {
    this.#clock = clock;
    this.#handle = handle;
  }

  hear(nodeId: string, heartbeat: Heartbeat): void {
    const heard = this.#nodes.get(nodeId);
    const now = this.#clock.now();
    const waitMs = heard === undefined ? 0 : heard.at + limits.heartbeatEveryMsMin - now;
    if (heard?.pending !== undefined) this.#nodes.set(nodeId, { ...heard, pending: heartbeat });
    else if (heard === undefined || waitMs <= 0) this.#pass(nodeId, heartbeat);
    else {
      const timer = this.#clock.setTimeout(() => {
        const pending = this.#nodes.get(nodeId)?.pending;
        if (pending !== undefined) this.#pass(nodeId, pending);
      }, waitMs);
      this.#nodes.set(nodeId, { at: heard.at, pending: heartbeat, timer });
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

  #pass(nodeId: string, heartbeat: Heartbeat): void {
    this.#nodes.set(nodeId, { at: this.#clock.now() });
    this.#handle(nodeId, heartbeat);
  }
}
