import { Manager } from '../../../actors/manager/manager.ts';
import {
  Passage,
  type PassagePorts,
  type Seat,
  untilCopied,
  untilForgotten,
} from '../../../actors/manager/passage.ts';
import { askOthers, hearStart } from '../../../actors/manager/start-check.ts';
import { hashOf } from '../../../bus/log-entry.ts';
import type { Checkpoint } from '../../../bus/ports.ts';
import type { StartAnswer, StartTold } from '../../../bus/protocol.ts';
import type { View } from '../../../domain/store/view.ts';
import { routePeers, upcoming } from '../../../domain/members/form.ts';
import { pause } from '../../../supervisors/clock.ts';
import type { Outcome } from '../check/acknowledged.ts';
import { command } from '../workload/outcome.ts';
import { guardLog } from '../world/guards.ts';
import { SimProcess } from '../world/process.ts';
import { Random } from '../world/random.ts';
import { HostDisk, type Snapshot } from './disk.ts';
import { exchange } from './exchange.ts';
import { logGroup } from './group.ts';
import { SimSeatKeeper, type SeatTold } from './seat-keeper.ts';
import type { PassageWorld } from './world.ts';

/** Pauses as a daemon's: between two tries, and before what ended is started again, ms. */
const pauseMs = { seek: 500, again: 300, seat: 100 } as const;
/** How long another manager has for an answer about a start, ms. */
const startLimitMs = 3_000;
/** As a founder's: how long it waits for the others, ms. */
const patienceMs = 30_000;
/** A journal that was not synced is on the disk after this time at the latest, ms. */
const writeBackMs = 5_000;

/** The machine of a manager: what is on its disk, and the daemon that runs, if one does. */
export class PassageHost {
  readonly id: string;
  readonly disk: HostDisk;
  manager: Manager | undefined;
  readonly #world: PassageWorld;
  readonly #random: Random;
  #process: SimProcess | undefined;
  #end = new AbortController();
  #isOff = false;
  /** nats-server runs. */
  #isServing = false;

  constructor(world: PassageWorld, index: number) {
    this.#world = world;
    this.#random = new Random(world.options.seed, `passage host ${index}`);
    this.id = this.#random.id();
    this.disk = new HostDisk(this.id, this.#random);
  }

  get seat(): Seat | undefined {
    return this.disk.seat;
  }
  /** Undefined while no daemon runs. */
  get process(): SimProcess | undefined {
    return this.#process;
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }
  /** The generation that its server runs in; 0 for none. */
  get generation(): number {
    return this.#isServing ? (this.seat?.generation ?? 0) : 0;
  }
  /** Its server begins anew, under another name. */
  rename(generation: number): void {
    this.disk.stores.delete(generation);
    this.#restart(pauseMs.again);
  }
  /** The name of its server. */
  serverOf(generation: number): string {
    const { incarnation } = this.disk.storeOf(generation);
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
    this.disk.loseUnsynced();
    if (offMs !== undefined) this.#world.clock.setTimeout(() => this.powerOn(), offMs);
  }
  powerOn(): void {
    if (!this.#isOff) return;
    this.#isOff = false;
    this.start();
  }

  /** What is on the disk of a machine that is off. */
  snapshot(): Snapshot {
    return this.disk.snapshot();
  }
  /** All of it is as it was, or only the server's store. */
  rollBack(to: Snapshot, part: 'all' | 'store'): void {
    this.#world.say(this.id, 'rolled back', { part });
    this.disk.rollBack(to, part);
  }

  /** The node has become a worker, or is to be a manager anew: its disk begins empty. */
  become(seat: Seat | undefined): void {
    this.kill();
    this.disk.wipe();
    this.disk.seat = seat;
    this.start();
  }

  command(name: string, body: unknown): Promise<Outcome> {
    return this.manager === undefined || this.#process === undefined
      ? Promise.resolve({ kind: 'unknown', message: 'no manager' })
      : command(this.manager, this.#process, name, body);
  }

  async #run(process: SimProcess, scope: AbortSignal): Promise<void> {
    const seat = this.#mustSeat();
    const keeper = this.#keeper(process, scope);
    if (seat.generation === 0) return keeper.seek();
    if (seat.form === 'several' && !(await this.#admit(process, scope))) return;
    if (!process.alive) return;
    this.#isServing = true;
    this.disk.storeOf(seat.generation);
    this.#world.changed();
    if (seat.joining === true) void keeper.seek();
    const passage = new Passage(this.#ports(process, keeper));
    if (!(await passage.enter(false, scope))) return;
    const manager = await this.#open(process, passage);
    if (!process.alive) return;
    this.manager = manager;
    manager.start();
    if (seat.form === 'several') void this.#awaitForgotten(process, scope);
    if (seat.joining === true) await passage.sit(manager, scope);
    if (seat.form === 'several') void this.#tellStarted(manager, process);
    if (seat.form === 'several') await keeper.watch(manager);
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
      journal: this.disk.journal(generation).open(process),
      clock: process.clock,
      wallNow: () => world.wallNow(),
      random: () => this.#random.next(),
      newId: () => this.#random.id(),
      newJoinToken: (role) => `SWMTKN-1-${role}-${this.#random.id()}`,
      newUnlockKey: () => `SWMKEY-1-${this.#random.id()}`,
      report: (event, fields) => process.alive && world.say(this.id, event, fields),
      onCrash: (error) => process.alive && world.fail(error),
      onKept: (kept) => {
        for (const [id, upTo] of Object.entries(kept)) this.disk.noteKept(id, upTo);
      },
      onContradiction: (why) => process.alive && world.fail(new Error(why)),
      onStranded: () =>
        void passage.retreat(manager).catch((error: unknown) => process.alive && world.fail(error)),
      onClosed: () =>
        void passage
          .leave(manager, this.#end.signal)
          .catch((error: unknown) => process.alive && world.fail(error)),
    });
    const { joining, founding } = this.#mustSeat();
    if ((joining ?? founding) === undefined) this.#notePeers(manager.view());
    this.disk.noteStarts(manager.view());
    manager.watch((applied) => {
      this.disk.noteStarts(manager.view());
      if (applied.some(({ kind }) => kind === 'node')) this.#notePeers(manager.view());
    });
    return manager;
  }

  /** As `admitServer`. */
  async #admit(process: SimProcess, scope: AbortSignal): Promise<boolean> {
    const world = this.#world;
    const { generation, joining } = this.#mustSeat();
    const { disk } = this;
    if (disk.hasOlderStore(generation) && world.options.unguarded !== true)
      return this.#setAside('the store is older');
    const fresh = disk.starts.length === 0 || !disk.stores.has(generation);
    disk.countStart(generation, 0);
    const journal = disk.journal(generation);
    const { checkpoint, records } = await journal.open(process).load();
    const last = records.at(-1);
    const told = {
      generation,
      fresh,
      managers: disk.peers.length,
      kept: journal.end,
      hash: last === undefined ? (checkpoint?.hash ?? '') : hashOf(last.data),
    };
    if (world.options.unguarded === true) return process.alive;
    const verdict = await process.guard(
      askOthers<PassageHost>(
        {
          others: () => world.others(this),
          told: (other) => {
            const seen = disk.seenOf(other.id);
            return { ...told, starts: disk.starts, ...(seen && { seen }) };
          },
          isFresh: fresh,
          isEmpty: fresh && joining === true,
          ask: (other, what, within) =>
            new Promise((resolve, reject) => {
              within.addEventListener('abort', () => reject(new Error('no answer')));
              exchange(world, 'start check', startLimitMs, () => other.hear(this.id, what)).then(
                resolve,
                reject,
              );
            }),
          renumber: (above) => Promise.resolve(disk.countStart(generation, above)),
          clock: process.clock,
        },
        scope,
      ),
    );
    if (!process.alive) return false;
    world.say(this.id, 'start judged', verdict);
    if (verdict.kind === 'contradiction') world.fail(new Error(verdict.why));
    return verdict.kind === 'older'
      ? this.#setAside(verdict.why, verdict.managers)
      : verdict.kind === 'go';
  }

  /** As `StartDesk`. */
  hear(from: string, told: StartTold): Promise<StartAnswer> {
    const { manager } = this;
    if (!this.isUp) return Promise.reject(new Error('nobody answers'));
    const isKnown =
      manager === undefined
        ? this.disk.peers.includes(from)
        : manager.view().node(from)?.role === 'manager';
    if (!isKnown) return Promise.reject(new Error('it is no manager'));
    const { joining, generation = 0 } = this.seat ?? {};
    return hearStart(told, {
      seen: this.disk.seenOf(from),
      note: (mark) => {
        this.disk.see(from, mark);
        return Promise.resolve();
      },
      own:
        joining === true
          ? { starts: [] }
          : {
              starts: this.disk.starts,
              kept: manager?.view().index ?? this.disk.journal(generation).end,
            },
      managers: this.disk.peers.length,
      hasGoneOn: () => manager?.hasGoneOn() === true,
      onOlder: (why, managers) => this.#setAside(why, managers),
      isOnLog: (kept, hash) =>
        manager?.generation === told.generation
          ? manager.isOnLog(kept, hash)
          : Promise.resolve(undefined),
    });
  }

  #setAside(why: string, managers = 0): false {
    this.#world.say(this.id, 'set aside', { why });
    this.kill();
    this.disk.setAside(Math.max(managers, this.disk.peers.length));
    this.#restart(pauseMs.seat);
    return false;
  }

  async #tellStarted(manager: Manager, process: SimProcess): Promise<void> {
    const start = this.disk.starts.at(-1);
    for (; process.alive; await pause(process.clock, pauseMs.seek, this.#end.signal)) {
      const told = command(manager, process, 'manager.started', { nodeId: this.id, ...start });
      if ((await process.guard(told)).kind === 'acknowledged') return;
    }
  }

  /** As `beginAnew`. */
  async #awaitForgotten(process: SimProcess, scope: AbortSignal): Promise<void> {
    const { generation } = this.#mustSeat();
    const group = logGroup(this.#world, this, generation);
    await untilForgotten(group, process.clock, scope).catch(() => undefined);
    if (process.alive && !scope.aborted) this.takeSeat({ generation, peers: this.disk.peers });
  }

  #notePeers(view: View): void {
    const peers = routePeers(view).map(({ nodeId }) => nodeId);
    if (peers.join() === this.disk.peers.join()) return;
    this.disk.peers = peers;
    this.#world.changed();
  }

  /** The disk and the world as this incarnation sees them; each of its writes is a step at which the power may fail. */
  #ports(process: SimProcess, keeper: SimSeatKeeper): PassagePorts<Seat> {
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
        (await this.disk.journal(generation).open(process).load()).checkpoint,
      keepOnly: (generation) => step(`keep ${generation}`, () => this.#keepOnly(generation)),
      notePeers: (view) => this.#notePeers(view),
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
      fetchState: () => keeper.fetchState(),
      begun: (generation) => keeper.begun(generation),
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
    this.disk.seat = seat;
    if (was?.generation !== seat.generation || was.form !== seat.form) this.#restart(pauseMs.seat);
  }

  #restart(afterMs: number): void {
    this.kill();
    this.#world.clock.setTimeout(() => this.start(), afterMs);
  }

  async #begin(process: SimProcess, generation: number, checkpoint: Checkpoint): Promise<void> {
    this.disk.stores.delete(generation);
    const { unsynced } = this.#world.options;
    // without sync it is all in the page cache at once, whose process may end, but whose machine must not
    const writer = unsynced === true ? new SimProcess(this.#world.clock) : process;
    const written = this.disk.beginJournal(generation, writer, checkpoint);
    if (unsynced !== true) return written;
    this.disk.noteUnsynced(generation);
    this.#world.clock.setTimeout(() => this.disk.synced(generation), writeBackMs);
    await written;
  }

  #keepOnly(generation: number): void {
    this.disk.keepOnly(generation);
    this.#world.changed();
  }

  #keeper(process: SimProcess, scope: AbortSignal): SimSeatKeeper {
    return new SimSeatKeeper(this.#world, this, process, scope);
  }

  /** As `SeatDesk.seat`: what a manager is told of where the log goes on. */
  tellSeat(of: string): SeatTold | undefined {
    const { manager } = this;
    const view = manager?.view();
    if (manager === undefined || view?.node(of)?.role !== 'manager') return undefined;
    const { generation } = upcoming(view);
    const peers = routePeers(view).map(({ nodeId }) => nodeId);
    return { generation, peers, index: view.index, current: manager.generation };
  }

  /** It goes on as one that joins; in the same generation with another server. */
  takeSeat({ generation, peers }: Pick<SeatTold, 'generation' | 'peers'>): void {
    this.#world.step(this, `take ${generation}`, () => {
      this.disk.peers = peers;
      if (this.#mustSeat().generation === generation) this.disk.stores.delete(generation);
      this.disk.seat = { nodeId: this.id, generation, form: 'several', joining: true };
      this.#restart(pauseMs.seat);
    });
  }

  #mustSeat(): Seat {
    return this.disk.mustSeat();
  }
}
