import { Manager } from '../../../actors/manager/manager.ts';
import { Passage, type PassagePorts, type Seat } from '../../../actors/manager/passage.ts';
import type { Checkpoint } from '../../../bus/ports.ts';
import { upcoming } from '../../../domain/members/form.ts';
import { pause } from '../../../supervisors/clock.ts';
import type { Outcome } from '../check/acknowledged.ts';
import { command } from '../workload/outcome.ts';
import { guardLog } from '../world/guards.ts';
import { JournalDisk } from '../world/journal.ts';
import { SimProcess } from '../world/process.ts';
import { Random } from '../world/random.ts';
import { logGroup } from './group.ts';
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
  readonly stores = new Set<number>();
  manager: Manager | undefined;
  readonly #journals = new Map<number, JournalDisk>();
  /** Journals that only the page cache has. */
  readonly #unsynced = new Set<number>();
  readonly #world: PassageWorld;
  readonly #random: Random;
  #process: SimProcess | undefined;
  #end = new AbortController();
  #isOff = false;

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
    return this.isUp ? (this.seat?.generation ?? 0) : 0;
  }

  start(): void {
    const { seat } = this;
    if (this.isUp || this.#isOff || seat === undefined) return;
    const process = new SimProcess(this.#world.clock);
    this.#process = process;
    this.#end = new AbortController();
    if (seat.generation > 0) this.stores.add(seat.generation);
    this.#world.changed();
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
    process?.kill();
    this.#end.abort();
    this.#world.changed();
  }

  /** The machine loses its power: with the daemon goes what was not synced. */
  powerOff(offMs: number): void {
    this.#world.powerCuts++;
    this.#world.say(this.id, 'power off', {});
    this.#isOff = true;
    this.kill();
    for (const generation of this.#unsynced) this.#journals.delete(generation);
    this.#unsynced.clear();
    this.#world.clock.setTimeout(() => {
      this.#isOff = false;
      this.start();
    }, offMs);
  }

  /** The node has become a worker, or is to be a manager anew: its disk begins empty. */
  become(seat: Seat | undefined): void {
    this.kill();
    this.seat = seat;
    this.stores.clear();
    this.#journals.clear();
    this.#unsynced.clear();
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
    if (seat.joining === true) void this.#seek(process, scope);
    const passage = new Passage(this.#ports(process));
    if (!(await passage.enter(false, scope))) return;
    const manager = await this.#open(process, passage);
    if (!process.alive) return;
    this.manager = manager;
    manager.start();
    if (seat.joining === true) await passage.sit(manager, scope);
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
      onClosed: () =>
        void passage
          .leave(manager, this.#end.signal)
          .catch((error: unknown) => process.alive && world.fail(error)),
    });
    return manager;
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
    for (const other of this.stores) if (other !== generation) this.stores.delete(other);
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
      }
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

async function writeJournal(
  disk: JournalDisk,
  process: SimProcess,
  checkpoint: Checkpoint,
): Promise<void> {
  const journal = disk.open(process);
  await journal.load();
  await journal.checkpoint(checkpoint);
  await journal.close();
}
