import {
  isElsewhere,
  type LogPlace,
  type LogPlaceDisk,
} from '../../../actors/node/log-place/log-place.ts';
import type { LogOffer } from '../../../actors/node/log-place/log-offer.ts';
import type { Checkpoint } from '../../../bus/ports.ts';
import type { RoutePeer } from '../../../domain/members/form.ts';
import { SimProcess } from '../world/process.ts';
import type { HandoverHost } from './host.ts';
import type { HandoverWorld } from './world.ts';

/** A journal that was not synced is on the disk after this time at the latest, ms. */
const writeBackMs = 5_000;
/** Before a daemon's parts begin anew elsewhere, ms. */
const anewMs = 100;

/** The disk of a machine as one incarnation of its daemon writes it; each write is a step at which the power may fail. */
export class SimLogPlaceDisk implements LogPlaceDisk {
  readonly #world: HandoverWorld;
  readonly #host: HandoverHost;
  readonly #process: SimProcess;

  constructor(world: HandoverWorld, host: HandoverHost, process: SimProcess) {
    this.#world = world;
    this.#host = host;
    this.#process = process;
  }

  place(): LogPlace {
    return this.#host.disk.mustPlace();
  }
  save(place: LogPlace): void {
    this.#step(`save ${JSON.stringify(place)}`, () => this.#save(place));
  }
  #save(place: LogPlace): void {
    const { disk } = this.#host;
    const was = disk.mustPlace();
    disk.place = place;
    if (!isElsewhere(was, place)) return;
    // a server that the log's group goes on without never comes back under its name
    if (was.generation === place.generation && place.joining === true)
      disk.stores.delete(place.generation);
    this.#host.restart(anewMs);
  }

  notePeers(peers: readonly RoutePeer[]): void {
    if (this.#process.alive) this.#host.notePeers(peers);
  }
  takeOffer({ generation, peers }: LogOffer): void {
    this.#step(`take ${generation}`, () => this.#host.notePeers(peers));
  }

  beginGeneration(generation: number, checkpoint: Checkpoint): Promise<void> {
    const begun = new Promise<void>((resolve) =>
      this.#step(`begin ${generation}`, () => resolve(this.#begin(generation, checkpoint))),
    );
    return this.#process.guard(begun);
  }
  async #begin(generation: number, checkpoint: Checkpoint): Promise<void> {
    const { disk } = this.#host;
    disk.stores.delete(generation);
    const { unsynced } = this.#world.options;
    // without sync it is all in the page cache at once, whose process may end, but whose machine must not
    const writer = unsynced === true ? new SimProcess(this.#world.clock) : this.#process;
    const written = disk.beginJournal(generation, writer, checkpoint);
    if (unsynced !== true) return written;
    disk.noteUnsynced(generation);
    this.#world.clock.setTimeout(() => disk.synced(generation), writeBackMs);
    await written;
  }
  beginJournal(generation: number, checkpoint: Checkpoint): Promise<void> {
    return this.#process.guard(this.#host.disk.beginJournal(generation, this.#process, checkpoint));
  }
  async checkpointOf(generation: number): Promise<Checkpoint | undefined> {
    return (await this.#host.disk.journal(generation).open(this.#process).load()).checkpoint;
  }
  keepOnly(generation: number): void {
    this.#step(`keep ${generation}`, () => {
      this.#host.disk.keepOnly(generation);
      this.#world.changed();
    });
  }

  #step(what: string, run: () => void): void {
    const { alive } = this.#process;
    if (alive) this.#world.step(this.#host, what, () => this.#process.alive && run());
  }
}
