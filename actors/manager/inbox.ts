import type { Bus } from '../../bus/ports.ts';
import { pause, type Clock } from '../../supervisors/clock.ts';
import type { Report } from '../../supervisors/report.ts';

export interface InboxPorts {
  readonly bus: Pick<Bus, 'flush'>;
  readonly clock: Clock;
  readonly log: Report;
}

/** A leader that has handled all that had come for it within this time keeps up, ms: half a heartbeat of a node. */
const keepsUpMs = 500;
/** How often the log tells of a leader that does not, ms. */
const tellEveryMs = 10_000;
const todo =
  'nodes that are not heard are not taken for lost meanwhile; look for a flood of messages (node_flood_refused) and for what else uses the CPU of this machine';

/**
 * Whether this leader has handled what has come for it. While messages wait, because there are too many of them or too
 * little CPU, a node's silence says something about the leader only.
 */
export class Inbox {
  readonly #ports: InboxPorts;
  readonly #scope = new AbortController();
  #waiting = new Set<() => void>();
  #running = false;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(ports: InboxPorts) {
    this.#ports = ports;
  }

  /** How many wait for that. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when all has been handled that had come by now, and this leader keeps up.
   * @param scope ends the waiting: it resolves then, too
   */
  caughtUp(scope: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#waiting.delete(end);
        scope.removeEventListener('abort', end);
        resolve();
      };
      if (scope.aborted) return resolve();
      scope.addEventListener('abort', end, { once: true });
      this.#waiting.add(end);
      if (!this.#running) void this.#run();
    });
  }

  stop(): void {
    this.#scope.abort();
  }

  /** One question at a time for all that wait; who comes while it is on its way waits for the next one. */
  async #run(): Promise<void> {
    const { clock } = this.#ports;
    this.#running = true;
    let since = clock.now();
    while (this.#waiting.size > 0 && !this.#scope.signal.aborted) {
      const asking = [...this.#waiting];
      if (await this.#keepsUp()) {
        for (const end of asking) end();
        since = clock.now();
      } else this.#tell(clock.now() - since);
    }
    this.#running = false;
  }

  /** A question that is not answered in time is asked anew: its answer would be of no use. */
  async #keepsUp(): Promise<boolean> {
    const { bus, clock } = this.#ports;
    const late = new AbortController();
    const flushed = bus.flush().then(
      () => true,
      // off the bus; it is asked again when there may be another connection
      () => pause(clock, keepsUpMs, late.signal).then(() => false),
    );
    const limit = pause(clock, keepsUpMs, late.signal).then(() => false);
    const answer = await Promise.race([flushed, limit]);
    late.abort();
    return answer;
  }

  #tell(ms: number): void {
    const { clock, log } = this.#ports;
    if (clock.now() < this.#toldAt + tellEveryMs) return;
    this.#toldAt = clock.now();
    log('leader_behind', { ms: Math.round(ms), todo }, 'warn');
  }
}
