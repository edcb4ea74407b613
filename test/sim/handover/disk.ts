import type { Checkpoint } from '../../../bus/ports.ts';
import type { LogPlace } from '../../../actors/node/log-place/log-place.ts';
import { placedManagers } from '../../../domain/members/form.ts';
import { type DiskMark, laterMark, type Start } from '../../../domain/members/starts.ts';
import type { View } from '../../../domain/store/view.ts';
import { JournalDisk } from '../world/journal.ts';
import type { SimProcess } from '../world/process.ts';
import type { Random } from '../world/random.ts';
import { writeJournal } from './write-journal.ts';

/** The store of a server; `end`: how much of the log it has; `start`: as in the file within it. */
interface SimStore {
  readonly incarnation: number;
  end: number;
  start?: number;
}
interface Starts {
  readonly starts: readonly Start[];
  readonly count: number;
}
/** A whole disk as it was. */
export interface Snapshot {
  readonly place: LogPlace | undefined;
  readonly stores: ReadonlyMap<number, SimStore>;
  readonly journals: ReadonlyMap<number, JournalDisk>;
  readonly starts: Starts;
  readonly seen: ReadonlyMap<string, DiskMark>;
  readonly peers: readonly string[];
}

/** What is on the disk of a manager's machine. */
export class HostDisk {
  readonly id: string;
  /** Undefined for a worker. */
  place: LogPlace | undefined;
  readonly stores = new Map<number, SimStore>();
  /** The managers whose servers this one's server lets in. */
  peers: readonly string[] = [];
  /** As `StartFiles` and `SeenDisks`: this machine's starts, and what it has seen of the others. */
  #starts: Starts = { starts: [], count: 0 };
  readonly #seen = new Map<string, DiskMark>();
  readonly #journals = new Map<number, JournalDisk>();
  /** Journals that only the page cache has. */
  readonly #unsynced = new Set<number>();
  readonly #random: Random;
  #incarnations = 0;

  constructor(id: string, random: Random) {
    this.id = id;
    this.#random = random;
  }

  get starts(): readonly Start[] {
    return this.#starts.starts;
  }
  mustPlace(): LogPlace {
    if (this.place === undefined) throw new Error('a worker has no place in the log');
    return this.place;
  }
  storeOf(generation: number): SimStore {
    const found = this.stores.get(generation) ?? { incarnation: ++this.#incarnations, end: 0 };
    this.stores.set(generation, found);
    return found;
  }
  /** The store is behind what is beside it. */
  hasOlderStore(generation: number): boolean {
    const store = this.stores.get(generation);
    const { starts, count } = this.#starts;
    return store !== undefined && starts.length > 0 && (store.start ?? 0) < count;
  }
  countStart(generation: number, above: number): void {
    const { starts, count } = this.#starts;
    const start = { number: Math.max(count, above) + 1, id: this.#random.id() };
    this.storeOf(generation).start = start.number;
    this.#starts = { starts: [...starts, start], count: start.number };
  }

  seenOf(id: string): DiskMark | undefined {
    return this.#seen.get(id);
  }
  see(id: string, mark: DiskMark): void {
    this.#seen.set(id, laterMark(this.#seen.get(id), mark));
  }
  noteStarts(view: View): void {
    const placed = placedManagers(view);
    for (const { id, manager } of placed)
      if (manager.start !== undefined && id !== this.id)
        this.see(id, { ...manager.start, kept: 0 });
    for (const id of this.#seen.keys())
      if (!placed.some((node) => node.id === id)) this.#seen.delete(id);
  }
  noteKept(id: string, generation: number, kept: number): void {
    const mark = this.#seen.get(id);
    if (mark !== undefined && id !== this.id) this.see(id, { ...mark, kept, generation });
  }

  journal(generation: number): JournalDisk {
    const found = this.#journals.get(generation) ?? new JournalDisk(this.#random);
    this.#journals.set(generation, found);
    return found;
  }
  /** A new journal begins with a state. */
  async beginJournal(
    generation: number,
    process: SimProcess,
    checkpoint: Checkpoint,
  ): Promise<void> {
    const disk = new JournalDisk(this.#random);
    this.#journals.set(generation, disk);
    await writeJournal(disk, process, checkpoint);
  }
  /** Only the page cache has this journal. */
  noteUnsynced(generation: number): void {
    this.#unsynced.add(generation);
  }
  synced(generation: number): void {
    this.#unsynced.delete(generation);
  }
  /** The machine loses its power. */
  loseUnsynced(): void {
    for (const generation of this.#unsynced) this.#journals.delete(generation);
    this.#unsynced.clear();
  }
  keepOnly(generation: number): void {
    for (const other of this.#journals.keys())
      if (other !== generation) this.#journals.delete(other);
    for (const other of this.stores.keys()) if (other !== generation) this.stores.delete(other);
  }

  /** The manager begins anew as one that joins: what it had of this generation is not used any more, but for the store of one of two. */
  setAside(managers: number): void {
    const { founding: _, ...rest } = this.mustPlace();
    if (managers > 2) this.stores.delete(rest.generation);
    this.#journals.delete(rest.generation);
    this.#starts = { starts: [], count: this.#starts.count };
    this.#seen.clear();
    this.place = { ...rest, joining: true };
  }
  wipe(): void {
    this.place = undefined;
    this.stores.clear();
    this.peers = [];
    this.#journals.clear();
    this.#unsynced.clear();
    this.#starts = { starts: [], count: 0 };
    this.#seen.clear();
  }

  snapshot(): Snapshot {
    return {
      place: this.place,
      stores: new Map([...this.stores].map(([generation, store]) => [generation, { ...store }])),
      journals: new Map([...this.#journals].map(([generation, disk]) => [generation, disk.copy()])),
      starts: this.#starts,
      seen: new Map(this.#seen),
      peers: this.peers,
    };
  }
  /** All of it is as it was, or only the server's store. */
  rollBack(to: Snapshot, part: 'all' | 'store'): void {
    this.stores.clear();
    for (const [generation, store] of to.stores) this.stores.set(generation, { ...store });
    if (part === 'store') return;
    this.place = to.place;
    this.peers = to.peers;
    this.#journals.clear();
    for (const [generation, disk] of to.journals) this.#journals.set(generation, disk.copy());
    this.#starts = to.starts;
    this.#seen.clear();
    for (const [id, mark] of to.seen) this.#seen.set(id, mark);
  }
}
