import { type Epoch, isNewer } from '../../bus/protocol.ts';
import type { Report } from '../../supervisors/report.ts';

/** Where the highest obeyed epoch survives a restart of the daemon. Both calls are synchronous and durable. */
export interface EpochStore {
  load(): Epoch;
  save(epoch: Epoch): void;
}

/** Keeps a node from obeying a leader that has been deposed: whoever is behind the highest obeyed is not heard. */
export class EpochGate {
  readonly #store: EpochStore;
  readonly #log: Report;
  readonly #onEpoch: (epoch: Epoch) => void;
  #highest: Epoch;

  constructor(store: EpochStore, log: Report, onEpoch: (epoch: Epoch) => void) {
    this.#store = store;
    this.#log = log;
    this.#onEpoch = onEpoch;
    this.#highest = store.load();
  }

  /** The newest that was obeyed. */
  get highest(): Epoch {
    return this.#highest;
  }

  isStale(epoch: Epoch): boolean {
    return isNewer(this.#highest, epoch);
  }

  isNew(epoch: Epoch): boolean {
    return isNewer(epoch, this.#highest);
  }

  /** A disk that takes no writes must not stop the node: the epoch then counts until the next restart. */
  obey(epoch: Epoch): void {
    if (!this.isNew(epoch)) return;
    this.#highest = { generation: epoch.generation, epoch: epoch.epoch };
    try {
      this.#store.save(this.#highest);
    } catch (error) {
      this.#log('epoch_not_saved', { ...this.#highest, error: String(error) }, 'warn');
    }
    this.#onEpoch(this.#highest);
  }
}
