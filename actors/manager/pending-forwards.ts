import type { LogEntry } from '../../bus/log-entry.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { Committed } from './committer.ts';
import { isLostLeadership, noAnswer } from './faults.ts';
import type { Replica } from './replica.ts';

/** What came of asking one manager; undefined when it certainly did nothing, so that another may be asked. */
export type ForwardOutcome<T> = T | undefined;

interface PendingForward {
  readonly epoch: number;
  /** The log says that it was done. */
  done?: Committed<unknown>;
  readonly settle: (asked: ForwardOutcome<Committed<unknown>>) => void;
}

/**
 * Commands on their way to another manager. Should no answer come, this manager's own copy of the log tells: only the
 * leader of the one epoch that a command is for may take it, its record names the command, and behind a record of a newer
 * epoch none of an older one follows. While that leader leads nothing is told: it may not know yet what stands in the log,
 * and who asks it must not be told of an older state than was acknowledged here.
 */
export class PendingForwards {
  readonly #clock: Clock;
  readonly #open = new Map<string, PendingForward>();

  constructor(replica: Replica, clock: Clock) {
    this.#clock = clock;
    replica.watch((_, entry) => this.#read(entry, replica.store.index));
  }

  /**
   * Rejects with `noAnswer` when it is not known within `limitMs` what became of the command, else as `ask` does.
   * @param ask sends it; resolves with undefined when nothing is known of it
   */
  run(
    { id, epoch }: { readonly id: string; readonly epoch: number },
    ask: () => Promise<{ readonly asked: ForwardOutcome<Committed<unknown>> } | undefined>,
    limitMs: number,
  ): Promise<ForwardOutcome<Committed<unknown>>> {
    let timer: number;
    return new Promise<ForwardOutcome<Committed<unknown>>>((resolve, reject) => {
      timer = this.#clock.setTimeout(() => reject(noAnswer()), limitMs);
      this.#open.set(id, { epoch, settle: resolve });
      ask().then(
        (known) => {
          if (known !== undefined) resolve(known.asked);
        },
        (error: unknown) => {
          // Who lost its place knows no more than this manager, and will not learn it first.
          if (!isLostLeadership(error)) reject(error);
        },
      );
    }).finally(() => {
      this.#open.delete(id);
      this.#clock.clearTimeout(timer);
    });
  }

  #read({ epoch, done }: LogEntry, index: number): void {
    for (const { id, result } of done ?? []) {
      const forward = this.#open.get(id);
      if (forward !== undefined) forward.done = { result, index };
    }
    for (const forward of this.#open.values())
      if (forward.epoch < epoch) forward.settle(forward.done);
  }
}
