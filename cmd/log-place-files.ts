import type { LogOffer } from '../actors/node/log-place/log-offer.ts';
import type { LogPlace, LogPlaceDisk } from '../actors/node/log-place/log-place.ts';
import type { Checkpoint } from '../bus/ports.ts';
import type { RoutePeer } from '../domain/members/form.ts';
import { newKey } from '../pki/mod.ts';
import { beginGeneration, beginJournal, forgetOtherGenerations, journalOf } from './generation.ts';
import { applyLock } from './key-lock.ts';
import type { ManagerWiring } from './wiring.ts';

/** The node's files, as a manager's place in the log needs them. */
export class LogPlaceFiles implements LogPlaceDisk {
  readonly #wiring: ManagerWiring;

  constructor(wiring: ManagerWiring) {
    this.#wiring = wiring;
  }

  place(): LogPlace {
    return this.#wiring.identity;
  }
  save(place: LogPlace): void {
    const { generation: _, form: __, founding: ___, joining: ____, ...own } = this.#wiring.identity;
    this.#wiring.onIdentity({ ...own, ...place });
  }
  notePeers(peers: readonly RoutePeer[]): void {
    this.#wiring.files.writePeers(peers);
  }

  takeOffer({ lock, busIssuerSeed, peers }: LogOffer): void {
    const { files, onLock } = this.#wiring;
    const isLockedAnew = applyLock(files, lock);
    // a new manager has nothing on its disk yet that another key has encrypted
    const dataKey = files.keys()?.dataKey ?? newKey().toString('hex');
    files.writeKeys({ dataKey, busIssuerSeed });
    if (isLockedAnew) onLock();
    files.writePeers(peers);
  }

  beginGeneration(generation: number, checkpoint: Checkpoint): Promise<void> {
    return beginGeneration(this.#wiring.files, generation, checkpoint);
  }
  beginJournal(generation: number, checkpoint: Checkpoint): Promise<void> {
    return beginJournal(this.#wiring.files, generation, checkpoint);
  }
  async checkpointOf(generation: number): Promise<Checkpoint | undefined> {
    return (await journalOf(this.#wiring.files, generation).load()).checkpoint;
  }
  keepOnly(generation: number): void {
    forgetOtherGenerations(this.#wiring.files, generation);
  }
}
