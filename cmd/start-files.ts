import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { replaceFile } from '../bus/durable-file.ts';
import { type DiskMark, laterMark, type Start, startsKept } from '../domain/members/starts.ts';
import type { NodeFiles } from './node-files.ts';

/** Why a manager's server must not be started with what is on its disk. */
export interface Hold {
  /** Others have seen more of this disk; or its journal and the log contradict each other, and somebody must decide. */
  readonly kind: 'older' | 'contradiction';
  readonly why: string;
  /** How many there are, as far as anybody knows. */
  readonly managers?: number;
}
/** A state that was not used: why, and where it is now. */
export interface Aside {
  readonly why: string;
  readonly dir: string;
}

/**
 * `step` tells two states of the store within one start apart. It is written into the store first, and then beside it:
 * a store that is behind is a copy of before.
 */
interface Stored {
  /** None of a disk that was set aside. */
  readonly starts: readonly Start[];
  /** The number of the last start of all. */
  readonly count: number;
  readonly step: number;
  readonly hold?: Hold | undefined;
  readonly aside?: Aside | undefined;
}
type InStore = Start & { readonly step: number };

const none: Stored = { starts: [], count: 0, step: 0 };
const storeIsOlder = 'the store of its server is older than the rest of its disk';

/** How often this manager's server was started, on its disk twice: in its store, and beside it. */
export class StartFiles {
  readonly #files: NodeFiles;
  #stored: Stored | undefined;
  #writes: Promise<unknown> = Promise.resolve();

  constructor(files: NodeFiles) {
    this.#files = files;
  }

  get starts(): readonly Start[] {
    return this.#read().starts;
  }
  get hold(): Hold | undefined {
    return this.#read().hold;
  }
  get aside(): Aside | undefined {
    return this.#read().aside;
  }
  /** The files may be others by now. */
  reread(): void {
    this.#stored = undefined;
  }

  /** Whether the generation has a store: without one there is nothing that could be older. */
  hasStore(generation: number): boolean {
    return existsSync(this.#files.path('store', String(generation), 'incarnation'));
  }

  /**
   * Counts a start of the server of this generation; it is on the disk when this resolves. Answers whether the count begins
   * with it (a disk that was set aside begins anew), or why the store must not be used: it is older than what is beside it.
   * @param above number that the start must be greater than
   */
  begin(
    generation: number,
    above = 0,
  ): Promise<{ readonly fresh: boolean } | { readonly older: string }> {
    return this.#change(async (stored) => {
      const older = this.hasStore(generation)
        ? storeTrouble(stored, await this.#inStore(generation))
        : undefined;
      if (older !== undefined) return { older };
      const start = {
        number: Math.max(stored.count, above) + 1,
        id: randomBytes(8).toString('hex'),
      };
      const starts = [...stored.starts, start].slice(-startsKept);
      await this.#write(generation, { ...stored, starts, count: start.number, step: 0 }, start);
      return { fresh: stored.starts.length === 0 };
    });
  }

  /** The store has changed, or its server has ended: a copy of before is one from now on. */
  step(generation: number): Promise<void> {
    return this.#change(async (stored) => {
      const start = stored.starts.at(-1);
      // it may have been set aside, or left
      if (start === undefined || !this.hasStore(generation)) return;
      await this.#write(generation, { ...stored, step: stored.step + 1 }, start);
    });
  }

  /** Until it is taken back, no server is started. */
  setHold(hold: Hold | undefined): Promise<void> {
    return this.#change((stored) => this.#writeBeside({ ...stored, hold }));
  }

  /** A state was set aside: what this manager is asked for from now on is nothing that it can know of. */
  setAside(aside: Aside): Promise<void> {
    return this.#change((stored) =>
      this.#writeBeside({ ...stored, starts: [], hold: undefined, aside }),
    );
  }
  /** The manager has the cluster's state again. */
  clearAside(): Promise<void> {
    return this.#change((stored) => this.#writeBeside({ ...stored, aside: undefined }));
  }

  #change<T>(work: (stored: Stored) => Promise<T>): Promise<T> {
    const done = this.#writes.then(() => work(this.#read()));
    // the caller has the error; the next write only waits for the end
    this.#writes = done.catch(() => undefined);
    return done;
  }

  async #write(generation: number, stored: Stored, start: Start): Promise<void> {
    await mkdir(this.#files.path('store', String(generation)), { recursive: true, mode: 0o700 });
    const inStore: InStore = { ...start, step: stored.step };
    await replaceFile(this.#pathInStore(generation), `${JSON.stringify(inStore)}\n`);
    await this.#writeBeside(stored);
  }
  async #writeBeside(stored: Stored): Promise<void> {
    const text = `${JSON.stringify(stored, undefined, 2)}\n`;
    await replaceFile(this.#files.path('starts.json'), text);
    this.#stored = stored;
  }

  #pathInStore(generation: number): string {
    return this.#files.path('store', String(generation), 'start.json');
  }
  async #inStore(generation: number): Promise<InStore | undefined> {
    const path = this.#pathInStore(generation);
    return existsSync(path) ? (JSON.parse(await readFile(path, 'utf8')) as InStore) : undefined;
  }
  #read(): Stored {
    return (this.#stored ??= this.#load());
  }
  #load(): Stored {
    const file = this.#files.path('starts.json');
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Stored) : none;
  }
}

/** The store is written first, so it is never behind what is beside it. */
function storeTrouble({ starts, step }: Stored, inStore: InStore | undefined): string | undefined {
  const last = starts.at(-1);
  // of a version that did not count
  if (last === undefined) return undefined;
  if (inStore === undefined || inStore.number < last.number) return storeIsOlder;
  if (inStore.number > last.number) return undefined;
  return inStore.id !== last.id || inStore.step < step ? storeIsOlder : undefined;
}

/** What this manager has seen of the disks of the others, on its own disk. */
export class SeenDisks {
  readonly #files: NodeFiles;
  #seen: ReadonlyMap<string, DiskMark>;
  #written: ReadonlyMap<string, DiskMark>;
  #writes: Promise<unknown> = Promise.resolve();

  constructor(files: NodeFiles) {
    this.#files = files;
    const file = files.path('seen.json');
    this.#seen = existsSync(file)
      ? new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, DiskMark>))
      : new Map();
    this.#written = this.#seen;
  }

  of(nodeId: string): DiskMark | undefined {
    return this.#seen.get(nodeId);
  }

  /** Not on this disk before `flush`. */
  note(nodeId: string, told: DiskMark): void {
    const before = this.#seen.get(nodeId);
    const mark = laterMark(before, told);
    if (mark !== before) this.#seen = new Map(this.#seen).set(nodeId, mark);
  }
  /** That manager's journal of this generation is on its disk up to here, of whatever start it is. */
  noteKept(nodeId: string, generation: number, kept: number): void {
    const mark = this.#seen.get(nodeId);
    if (mark !== undefined) this.note(nodeId, { ...mark, kept, generation });
  }

  /** What is known of other managers than these is forgotten. */
  keepOnly(nodeIds: ReadonlySet<string>): void {
    const kept = [...this.#seen].filter(([nodeId]) => nodeIds.has(nodeId));
    if (kept.length < this.#seen.size) this.#seen = new Map(kept);
  }

  /** The state is another one from now on: what was seen along with the one of before may be of no history. */
  forget(): Promise<void> {
    this.#seen = new Map();
    return this.flush();
  }

  flush(): Promise<void> {
    const done = this.#writes.then(async () => {
      const seen = this.#seen;
      if (seen === this.#written) return;
      const text = JSON.stringify(Object.fromEntries(seen), undefined, 2);
      await replaceFile(this.#files.path('seen.json'), `${text}\n`);
      this.#written = seen;
    });
    // the caller has the error; the next write only waits for the end
    this.#writes = done.catch(() => undefined);
    return done;
  }
}
