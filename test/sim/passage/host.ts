import { Manager } from '../../../actors/manager/manager.ts';
import {
  Passage,
  type PassagePorts,
  type Seat,
  untilCopied,
} from '../../../actors/manager/passage.ts';
import { askOthers, hearStart } from '../../../actors/manager/start-check.ts';
import { hashOf } from '../../../bus/log-entry.ts';
import type { Checkpoint } from '../../../bus/ports.ts';
import type { StartAnswer, StartTold } from '../../../bus/protocol.ts';
import { upcoming } from '../../../domain/members/form.ts';
import { type DiskMark, laterMark } from '../../../domain/members/starts.ts';
import { pause } from '../../../supervisors/clock.ts';
import type { Outcome } from '../check/acknowledged.ts';
import { command } from '../workload/outcome.ts';
import { guardLog } from '../world/guards.ts';
import { JournalDisk } from '../world/journal.ts';
import { SimProcess } from '../world/process.ts';
import { Random } from '../world/random.ts';
import type { SimStore, Snapshot, Starts } from './disk.ts';
import { logGroup } from './group.ts';
import { writeJournal } from './write-journal.ts';
import type { PassageWorld } from './world.ts';

/** Pauses as a daemon's: between two questions where the log goes on, and before what ended is started again, ms. */
const pauseMs = { seek: 500, watch: 2_000, again: 300, seat: 100 } as const;
/** As a founder's: how long it waits for the others, ms. */
const patienceMs = 30_000;
/** A journal that was not synced is on the disk after this time at the latest, ms. */
const writeBackMs = 5_000;

/** The machine of a manager: what is on its disk, and the daemon that runs, if one does. */
export class PassageHost {
  readonly id: string;
  /** On the disk; undefined for a worker. */
  seat: Seat | undefined;
  readonly stores = new Map<number, SimStore>();
  /** As `StartFiles` and `SeenDisks`: this machine's starts, and what it has seen of the others. */
  #starts: Starts = { starts: [], count: 0 };
  #seen = new Map<string, DiskMark>();
  manager: Manager | undefined;
  readonly #journals = new Map<number, JournalDisk>();
  /** Journals that only the page cache has. */
  readonly #unsynced = new Set<number>();
  readonly #world: PassageWorld;
  readonly #random: Random;
  #process: SimProcess | undefined;
  #incarnations = 0;
  #end = new AbortController();
  #isOff = false;
  /** nats-server runs. */
  #isServing = false;

  constructor(world: PassageWorld, index: number) {
    this.#world = world;
    this.#random = new Random(world.options.seed, `passage host ${index}`);
    this.id = this.#random.id();
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }
  /** The generation that its server runs in; 0 for none. */
  get generation(): number {
    return this.#isServing ? (this.seat?.generation ?? 0) : 0;
  }
  storeOf(generation: number): SimStore {
    const found = this.stores.get(generation) ?? { incarnation: ++this.#incarnations, end: 0 };
    this.stores.set(generation, found);
    return found;
  }
  /** Its server begins anew, under another name. */
  rename(generation: number): void {
    this.stores.delete(generation);
  }
  /** The name of its server. */
  serverOf(generation: number): string {
    const { incarnation } = this.storeOf(generation);
    return `${this.id}#${incarnation}`;
  }

  start(): void {
    const { seat } = this;
    if (this.isUp || this.#isOff || seat === undefined) return;
    const process = new SimProcess(this.#world.clock);
    this.#process = process;
    this.#end = new AbortController();
    this.#run(process, this.#end.signal).catch((error: unknown) => {
      if (!process.alive) return;
      this.#world.say(this.id, 'failed', { error: String(error) });
      this.#restart(pauseMs.again);
    });
  }

  /** kill -9. */
  kill(): void {
    const process = this.#process;
    this.#process = undefined;
    this.manager = undefined;
    this.#isServing = false;
    process?.kill();
    this.#end.abort();
    this.#world.changed();
  }

  /** The machine loses its power, for good without a time: with the daemon goes what was not synced. */
  powerOff(offMs?: number): void {
    this.#world.powerCuts++;
    this.#world.say(this.id, 'power off', {});
    this.#isOff = true;
    this.kill();
    for (const generation of this.#unsynced) this.#journals.delete(generation);
    this.#unsynced.clear();
    if (offMs !== undefined) this.#world.clock.setTimeout(() => this.powerOn(), offMs);
  }
  powerOn(): void {
    if (!this.#isOff) return;
    this.#isOff = false;
    this.start();
  }

  /** What is on the disk of a machine that is off. */
  snapshot(): Snapshot {
    return {
      seat: this.seat,
      stores: new Map([...this.stores].map(([generation, store]) => [generation, { ...store }])),
      journals: new Map([...this.#journals].map(([generation, disk]) => [generation, disk.copy()])),
      starts: this.#starts,
      seen: new Map(this.#seen),
    };
  }
  /** All of it is as it was, or only the server's store. */
  rollBack(to: Snapshot, part: 'all' | 'store'): void {
    this.#world.say(this.id, 'rolled back', { part });
    this.stores.clear();
    for (const [generation, store] of to.stores) this.stores.set(generation, { ...store });
    if (part === 'store') return;
    this.seat = to.seat;
    this.#journals.clear();
    for (const [generation, disk] of to.journals) this.#journals.set(generation, disk.copy());
    this.#starts = to.starts;
    this.#seen = new Map(to.seen);
  }

  /** The node has become a worker, or is to be a manager anew: its disk begins empty. */
  become(seat: Seat | undefined): void {
    this.kill();
    this.seat = seat;
    this.stores.clear();
    this.#journals.clear();
    this.#unsynced.clear();
    this.#starts = { starts: [], count: 0 };
    this.#seen.clear();
    this.start();
  }

  command(name: string, body: unknown): Promise<Outcome> {
    return this.manager === undefined || this.#process === undefined
      ? Promise.resolve({ kind: 'unknown', message: 'no manager' })
      : command(this.manager, this.#process, name, body);
  }

  async #run(process: SimProcess, scope: AbortSignal): Promise<void> {
    const seat = this.#mustSeat();
    if (seat.generation === 0) return this.#seek(process, scope);
    if (seat.form === 'several' && !(await this.#admit(process, scope))) return;
    if (!process.alive) return;
    this.#isServing = true;
    this.storeOf(seat.generation);
    this.#world.changed();
    if (seat.joining === true) void this.#seek(process, scope);
    const passage = new Passage(this.#ports(process));
    if (!(await passage.enter(false, scope))) return;
    const manager = await this.#open(process, passage);
    if (!process.alive) return;
    this.manager = manager;
    manager.start();
    if (seat.joining === true) await passage.sit(manager, scope);
    if (seat.form === 'several') void this.#tellStarted(manager, process);
    if (seat.form === 'several') await this.#watch(manager, process, scope);
  }

  async #open(process: SimProcess, passage: Passage<Seat>): Promise<Manager> {
    const world = this.#world;
    const { generation, form = 'alone' } = this.#mustSeat();
    const manager: Manager = await Manager.open({
      nodeId: this.id,
      generation,
      form,
      bus: world.network.connect(process, [this.id]),
      log: guardLog(world.logFor(this, generation), process),
      group: logGroup(world, this, generation),
      journal: this.#journal(generation).open(process),
      clock: process.clock,
      wallNow: () => world.wallNow(),
      random: () => this.#random.next(),
      newId: () => this.#random.id(),
      newJoinToken: (role) => `SWMTKN-1-${role}-${this.#random.id()}`,
      newUnlockKey: () => `SWMKEY-1-${this.#random.id()}`,
      report: (event, fields) => process.alive && world.say(this.id, event, fields),
      onCrash: (error) => process.alive && world.fail(error),
      onKept: (kept) => {
        for (const [id, upTo] of Object.entries(kept)) this.#noteKept(id, upTo);
      },
      onContradiction: (why) => process.alive && world.fail(new Error(why)),
      onStranded: () =>
        void passage.retreat(manager).catch((error: unknown) => process.alive && world.fail(error)),
      onClosed: () =>
        void passage
          .leave(manager, this.#end.signal)
          .catch((error: unknown) => process.alive && world.fail(error)),
    });
    manager.watch(() => this.#noteStarts(manager));
    this.#noteStarts(manager);
    return manager;
  }

  /** As `admitServer`. */
  async #admit(process: SimProcess, scope: AbortSignal): Promise<boolean> {
    const world = this.#world;
    const { generation, joining } = this.#mustSeat();
    const stored = this.#starts;
    const store = this.stores.get(generation);
    const isOlder =
      store !== undefined && stored.starts.length > 0 && (store.start ?? 0) < stored.count;
    if (isOlder && world.options.unguarded !== true) return this.#setAside('the store is older');
    this.#countStart(generation, 0);
    const fresh = stored.starts.length === 0 || store === undefined;
    const journal = this.#journal(generation);
    const { checkpoint, records } = await journal.open(process).load();
    const last = records.at(-1);
    const told = {
      generation,
      fresh,
      managers: this.#world.hosts.length,
      kept: journal.end,
      hash: last === undefined ? (checkpoint?.hash ?? '') : hashOf(last.data),
    };
    if (world.options.unguarded === true) return process.alive;
    const verdict = await process.guard(
      askOthers<PassageHost>(
        {
          others: () => world.others(this),
          told: (other) => {
            const seen = this.#seen.get(other.id);
            return { ...told, starts: this.#starts.starts, ...(seen && { seen }) };
          },
          isFresh: fresh,
          isEmpty: fresh && joining === true,
          ask: (other, what, within) =>
            new Promise((resolve, reject) => {
              within.addEventListener('abort', () => reject(new Error('no answer')));
              other.hear(this.id, what).then(resolve, reject);
            }),
          renumber: (above) => Promise.resolve(this.#countStart(generation, above)),
          clock: process.clock,
        },
        scope,
      ),
    );
    if (!process.alive) return false;
    world.say(this.id, 'start judged', verdict);
    if (verdict.kind === 'contradiction') world.fail(new Error(verdict.why));
    return verdict.kind === 'older' ? this.#setAside(verdict.why) : verdict.kind === 'go';
  }

  /** As `StartDesk`. */
  hear(from: string, told: StartTold): Promise<StartAnswer> {
    const { manager } = this;
    if (!this.isUp) return Promise.reject(new Error('nobody answers'));
    const { joining, generation = 0 } = this.seat ?? {};
    return hearStart(told, {
      seen: this.#seen.get(from),
      note: (mark) => {
        this.#seen.set(from, laterMark(this.#seen.get(from), mark));
        return Promise.resolve();
      },
      own:
        joining === true
          ? { starts: [] }
          : {
              starts: this.#starts.starts,
              kept: manager?.view().index ?? this.#journal(generation).end,
            },
      managers: this.#world.hosts.length,
      hasGoneOn: () => manager?.hasGoneOn() === true,
      onOlder: (why) => this.#setAside(why),
      isOnLog: (kept, hash) =>
        manager?.generation === told.generation
          ? manager.isOnLog(kept, hash)
          : Promise.resolve(undefined),
    });
  }

  #countStart(generation: number, above: number): void {
    const { starts, count } = this.#starts;
    const start = { number: Math.max(count, above) + 1, id: this.#random.id() };
    this.storeOf(generation).start = start.number;
    this.#starts = { starts: [...starts, start], count: start.number };
  }

  #setAside(why: string): false {
    const { founding: _, ...rest } = this.#mustSeat();
    this.#world.say(this.id, 'set aside', { why });
    this.kill();
    this.stores.delete(rest.generation);
    this.#journals.delete(rest.generation);
    this.#starts = { starts: [], count: this.#starts.count };
    this.#seen.clear();
    this.seat = { ...rest, joining: true };
    this.#restart(pauseMs.seat);
    return false;
  }

  async #tellStarted(manager: Manager, process: SimProcess): Promise<void> {
    const start = this.#starts.starts.at(-1);
    for (; process.alive; await pause(process.clock, pauseMs.seek, this.#end.signal)) {
      const told = command(manager, process, 'manager.started', { nodeId: this.id, ...start });
      if ((await process.guard(told)).kind === 'acknowledged') return;
    }
  }

  #noteStarts(manager: Manager): void {
    for (const { id, manager: place } of manager.view().managers())
      if (place?.start !== undefined && id !== this.id)
        this.#seen.set(id, laterMark(this.#seen.get(id), { ...place.start, kept: 0 }));
  }
  #noteKept(id: string, kept: number): void {
    const mark = this.#seen.get(id);
    if (mark !== undefined && id !== this.id)
      this.#seen.set(id, laterMark(mark, { ...mark, kept }));
  }

  /** The disk and the world as this incarnation sees them; each of its writes is a step at which the power may fail. */
  #ports(process: SimProcess): PassagePorts<Seat> {
    const world = this.#world;
    const step = (what: string, run: () => void): void => {
      if (process.alive) world.step(this, what, () => process.alive && run());
    };
    return {
      seat: () => this.#mustSeat(),
      save: (seat) => step(`save ${JSON.stringify(seat)}`, () => this.#save(seat)),
      begin: (generation, checkpoint) =>
        process.guard(
          new Promise((resolve) => {
            step(`begin ${generation}`, () =>
              resolve(this.#begin(process, generation, checkpoint)),
            );
          }),
        ),
      checkpointOf: async (generation) =>
        (await this.#journal(generation).open(process).load()).checkpoint,
      keepOnly: (generation) => step(`keep ${generation}`, () => this.#keepOnly(generation)),
      notePeers: () => undefined,
      ready: async (limit) => {
        while (!world.hasQuorum(this.generation)) {
          limit.throwIfAborted();
          await pause(process.clock, pauseMs.seek, limit);
        }
      },
      create: (first) => {
        const { generation } = this.#mustSeat();
        if (!world.hasQuorum(generation)) return Promise.reject(new Error('no quorum'));
        step(`create ${generation}`, () => world.createLog(generation, first));
        return process.guard(Promise.resolve());
      },
      fetchState: (scope) => this.#fetchState(process, scope),
      begun: async (generation, scope) => {
        const isThere = ({ manager }: PassageHost): boolean =>
          (manager?.generation ?? 0) >= generation;
        while (!world.others(this).some(isThere)) {
          await pause(process.clock, pauseMs.seek, scope);
          scope.throwIfAborted();
        }
      },
      copied: (scope) =>
        process.guard(
          untilCopied(
            logGroup(world, this, this.#mustSeat().generation),
            this.id,
            process.clock,
            scope,
          ),
        ),
      patience: () => {
        const end = new AbortController();
        process.clock.setTimeout(() => end.abort(), patienceMs);
        return end.signal;
      },
      report: (event, fields) => world.say(this.id, event, fields),
    };
  }

  #save(seat: Seat): void {
    const was = this.seat;
    this.seat = seat;
    if (was?.generation !== seat.generation || was.form !== seat.form) this.#restart(pauseMs.seat);
  }

  #restart(afterMs: number): void {
    this.kill();
    this.#world.clock.setTimeout(() => this.start(), afterMs);
  }

  async #begin(process: SimProcess, generation: number, checkpoint: Checkpoint): Promise<void> {
    const disk = new JournalDisk(this.#random);
    this.stores.delete(generation);
    this.#journals.set(generation, disk);
    const { unsynced } = this.#world.options;
    // without sync it is all in the page cache at once, whose process may end, but whose machine must not
    const writer = unsynced === true ? new SimProcess(this.#world.clock) : process;
    const written = writeJournal(disk, writer, checkpoint);
    if (unsynced !== true) return written;
    this.#unsynced.add(generation);
    this.#world.clock.setTimeout(() => this.#unsynced.delete(generation), writeBackMs);
    await written;
  }

  #keepOnly(generation: number): void {
    for (const other of this.#journals.keys())
      if (other !== generation) this.#journals.delete(other);
    for (const other of this.stores.keys()) if (other !== generation) this.stores.delete(other);
    this.#world.changed();
  }

  #journal(generation: number): JournalDisk {
    const found = this.#journals.get(generation) ?? new JournalDisk(this.#random);
    this.#journals.set(generation, found);
    return found;
  }

  /** As `SeatKeeper.seek`. */
  async #seek(process: SimProcess, scope: AbortSignal): Promise<void> {
    const isSeated = (): boolean =>
      this.#mustSeat().generation > 0 && this.#mustSeat().joining === undefined;
    for (; !scope.aborted && !isSeated(); await pause(process.clock, pauseMs.seek, scope))
      for (const other of this.#world.others(this)) {
        const view = other.manager?.view();
        if (view?.node(this.id)?.role !== 'manager') continue;
        const { generation } = upcoming(view);
        if (generation !== this.#mustSeat().generation) return this.#take(process, generation);
        const [addr, bus, route] = ['1:2377', '1:7946', `${this.id}:7947`];
        const place = { nodeId: this.id, addr, bus, route };
        const outcome = await process.guard(other.command('manager.enroll', place));
        if (outcome.kind !== 'acknowledged') this.#world.say(this.id, 'not enrolled', outcome);
      }
  }

  /** As `SeatKeeper.watch`. */
  async #watch(manager: Manager, process: SimProcess, scope: AbortSignal): Promise<void> {
    for (; !scope.aborted; await pause(process.clock, pauseMs.watch, scope))
      for (const { manager: other } of this.#world.others(this)) {
        if (other?.view().node(this.id)?.role !== 'manager') continue;
        if (other.generation > manager.generation)
          return this.#take(process, upcoming(other.view()).generation);
        const isPlaced = other.view().node(this.id)?.manager !== undefined;
        const isNewer = other.view().index >= manager.view().index;
        if (other.generation === manager.generation && isNewer && !isPlaced)
          return this.#takeAnew(process, manager.generation);
      }
  }

  /** It was let go, and is wanted again: as when the manager's parts begin anew, with another server. */
  #takeAnew(process: SimProcess, generation: number): void {
    this.#take(process, generation);
    if (!process.alive) return;
    this.stores.delete(generation);
    this.#restart(pauseMs.seat);
  }

  #take(process: SimProcess, generation: number): void {
    const { save } = this.#ports(process);
    save({ nodeId: this.id, generation, form: 'several', joining: true });
  }

  /** As `SeatKeeper.fetchState`. */
  async #fetchState(process: SimProcess, scope: AbortSignal): Promise<void> {
    const { generation } = this.#mustSeat();
    for (; !scope.aborted; await pause(process.clock, pauseMs.seek, scope))
      for (const { manager } of this.#world.others(this))
        if (manager?.generation === generation) {
          const disk = new JournalDisk(this.#random);
          this.#journals.set(generation, disk);
          return process.guard(writeJournal(disk, process, manager.snapshot()));
        }
    scope.throwIfAborted();
  }

  #mustSeat(): Seat {
    if (this.seat === undefined) throw new Error('a worker has no seat');
    return this.seat;
  }
}
