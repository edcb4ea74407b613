import { type LeaderTerm, isNewer } from '../../bus/protocol.ts';
import type { Report } from '../../supervisors/report.ts';

/** Where the highest obeyed epoch survives a restart of the daemon. Both calls are synchronous and durable. */
export interface LeaderTermStore {
  load(): LeaderTerm;
  save(epoch: LeaderTerm): void;
}

/** Keeps a node from obeying a leader that has been deposed: whoever is behind the highest obeyed is not heard. */
export class TermGate {
  readonly #store: LeaderTermStore;
  readonly #log: Report;
  readonly #onLeaderTerm: (epoch: LeaderTerm) => void;
  #highest: LeaderTerm;

  constructor(store: LeaderTermStore, log: Report, onLeaderTerm: (epoch: LeaderTerm) => void) {
    this.#store = store;
    this.#log = log;
    this.#onLeaderTerm = onLeaderTerm;
    this.#highest = store.load();
  }

  /** The newest that was obeyed. */
  get highest(): LeaderTerm {
    return this.#highest;
  }

  isStale(epoch: LeaderTerm): boolean {
    return isNewer(this.#highest, epoch);
  }

  isNew(epoch: LeaderTerm): boolean {
    return isNewer(epoch, this.#highest);
  }

  /** A disk that takes no writes must not stop the node: the epoch then counts until the next restart. */
  obey(epoch: LeaderTerm): void {
    if (!this.isNew(epoch)) return;
    this.#highest = { generation: epoch.generation, epoch: epoch.epoch };
    try {
      this.#store.save(this.#highest);
    } catch (error) {
      this.#log('epoch_not_saved', { ...this.#highest, error: String(error) }, 'warn');
    }
    this.#onLeaderTerm(this.#highest);
  }
}
