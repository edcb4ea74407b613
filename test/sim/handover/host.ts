import { Manager } from '../../../actors/manager/manager.ts';
import { GenerationHandover } from '../../../actors/node/log-place/generation-handover.ts';
import { LogFollower } from '../../../actors/node/log-place/log-follower.ts';
import { type Asker, LogJoinServer } from '../../../actors/node/log-place/log-join-server.ts';
import type { LogPlace } from '../../../actors/node/log-place/log-place.ts';
import { untilCopied, untilForgotten } from '../../../actors/node/log-place/own-server-watch.ts';
import { askOthers, hearStart } from '../../../actors/manager/start-check.ts';
import { hashOf } from '../../../bus/log-entry.ts';
import type { StartAnswer, StartTold } from '../../../bus/protocol.ts';
import type { ManagerTold } from '../../../domain/model/objects.ts';
import { type RoutePeer, routePeers } from '../../../domain/members/form.ts';
import { pause } from '../../../supervisors/clock.ts';
import type { Outcome } from '../check/acknowledged.ts';
import { command } from '../workload/outcome.ts';
import { guardLog } from '../world/guards.ts';
import { SimProcess } from '../world/process.ts';
import { Random } from '../world/random.ts';
import { HostDisk, type Snapshot } from './disk.ts';
import { exchange } from './exchange.ts';
import { logGroup } from './group.ts';
import { SimLogPlaceDisk } from './log-place-disk.ts';
import { SimOtherManagers, SimSelf } from './log-place.ts';
import type { HandoverWorld } from './world.ts';

/** Pauses as a daemon's: between two tries, and before what ended is started again, ms. */
const pauseMs = { seek: 500, again: 300, anew: 100 } as const;
/** How long another manager has for an answer about a start, ms. */
const startLimitMs = 3_000;
/** As a founder's: how long it waits for the others, ms. */
const patienceMs = 30_000;

/** The machine of a manager: what is on its disk, and the daemon that runs, if one does. */
export class HandoverHost {
  readonly id: string;
  readonly disk: HostDisk;
  manager: Manager | undefined;
  readonly #world: HandoverWorld;
  readonly #random: Random;
  #process: SimProcess | undefined;
  #end = new AbortController();
  #isOff = false;
  /** nats-server runs. */
  #isServing = false;

  constructor(world: HandoverWorld, index: number) {
    this.#world = world;
    this.#random = new Random(world.options.seed, `passage host ${index}`);
    this.id = this.#random.id();
    this.disk = new HostDisk(this.id, this.#random);
  }

  get place(): LogPlace | undefined {
    return this.disk.place;
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
    return this.#isServing ? (this.place?.generation ?? 0) : 0;
  }
  /** Its server begins anew, under another name. */
  rename(generation: number): void {
    this.disk.stores.delete(generation);
    this.restart(pauseMs.again);
  }
  /** The name of its server. */
  serverOf(generation: number): string {
    const { incarnation } = this.disk.storeOf(generation);
    return `${this.id}#${incarnation}`;
  }

  start(): void {
    if (this.isUp || this.#isOff || this.place === undefined) return;
    const process = new SimProcess(this.#world.clock);
    this.#process = process;
    this.#end = new AbortController();
    this.#run(process, this.#end.signal).catch((error: unknown) => {
      if (!process.alive) return;
      this.#world.say(this.id, 'failed', { error: String(error) });
      this.restart(pauseMs.again);
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
  become(place: LogPlace | undefined): void {
    this.kill();
    this.disk.wipe();
    this.disk.place = place;
    this.start();
  }

  command(name: string, body: unknown): Promise<Outcome> {
    return this.manager === undefined || this.#process === undefined
      ? Promise.resolve({ kind: 'unknown', message: 'no manager' })
      : command(this.manager, this.#process, name, body);
  }

  async #run(process: SimProcess, scope: AbortSignal): Promise<void> {
    const place = this.#mustPlace();
    const disk = new SimLogPlaceDisk(this.#world, this, process);
    const follower = this.#follower(process, disk);
    if (place.generation === 0) return follower.seek(scope);
    if (place.form === 'several' && !(await this.#admit(process, scope))) return;
    if (!process.alive) return;
    this.#isServing = true;
    this.disk.storeOf(place.generation);
    this.#world.changed();
    if (place.joining === true) void follower.seek(scope);
    const handover = this.#handover(process, disk, follower);
    if (!(await handover.open(false, scope))) return;
    const manager = await this.#open(process, handover);
    if (!process.alive) return;
    this.manager = manager;
    manager.start();
    if (place.form === 'several') void this.#awaitForgotten(process, scope);
    if (place.joining === true) await handover.confirm(manager, scope);
    if (place.form === 'several') void this.#tellStarted(manager, process);
    if (place.form === 'several') await follower.watch(manager, scope);
  }

  async #open(process: SimProcess, handover: GenerationHandover): Promise<Manager> {
    const world = this.#world;
    const { generation, form = 'alone' } = this.#mustPlace();
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
        for (const [id, upTo] of Object.entries(kept)) this.disk.noteKept(id, generation, upTo);
      },
      onContradiction: (why) => process.alive && world.fail(new Error(why)),
      onStranded: () =>
        void handover
          .retreat(manager)
          .catch((error: unknown) => process.alive && world.fail(error)),
      onClosed: () =>
        void handover
          .advance(manager, this.#end.signal)
          .catch((error: unknown) => process.alive && world.fail(error)),
    });
    const { joining, founding } = this.#mustPlace();
    if ((joining ?? founding) === undefined) this.notePeers(routePeers(manager.view()));
    this.disk.noteStarts(manager.view());
    manager.watch((applied) => {
      this.disk.noteStarts(manager.view());
      if (applied.some(({ kind }) => kind === 'node')) this.notePeers(routePeers(manager.view()));
    });
    return manager;
  }

  /** As `admitServer`. */
  async #admit(process: SimProcess, scope: AbortSignal): Promise<boolean> {
    const world = this.#world;
    const { generation, joining } = this.#mustPlace();
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
      askOthers<HandoverHost>(
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
    const { joining, generation = 0 } = this.place ?? {};
    return hearStart(told, {
      seen: this.disk.seenOf(from),
      note: (mark) => {
        this.disk.see(from, mark);
        return Promise.resolve();
      },
      own:
        joining === true
          ? { generation, starts: [] }
          : {
              generation,
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
    this.restart(pauseMs.anew);
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
    const { generation } = this.#mustPlace();
    const group = logGroup(this.#world, this, generation);
    await untilForgotten(group, process.clock, scope).catch(() => undefined);
    if (process.alive && !scope.aborted) this.#beginAnew(generation);
  }

  notePeers(known: readonly RoutePeer[]): void {
    const peers = known.map(({ nodeId }) => nodeId);
    if (peers.join() === this.disk.peers.join()) return;
    this.disk.peers = peers;
    this.#world.changed();
  }

  restart(afterMs: number): void {
    this.kill();
    this.#world.clock.setTimeout(() => this.start(), afterMs);
  }

  #follower(process: SimProcess, disk: SimLogPlaceDisk): LogFollower {
    const world = this.#world;
    return new LogFollower({
      disk,
      managers: new SimOtherManagers(world, this, process),
      self: new SimSelf(this.id),
      clock: process.clock,
      report: (event, fields) => process.alive && world.say(this.id, event, fields),
    });
  }

  #handover(process: SimProcess, disk: SimLogPlaceDisk, follower: LogFollower): GenerationHandover {
    const world = this.#world;
    const { generation } = this.#mustPlace();
    const servers = {
      ready: async (limit: AbortSignal) => {
        while (!world.hasQuorum(this.generation)) {
          limit.throwIfAborted();
          await pause(process.clock, pauseMs.seek, limit);
        }
      },
      create: (first?: number) => {
        if (!world.hasQuorum(generation)) return Promise.reject(new Error('no quorum'));
        if (process.alive)
          world.step(this, `create ${generation}`, () => world.createLog(generation, first));
        return process.guard(Promise.resolve());
      },
      copied: (scope: AbortSignal) =>
        process.guard(
          untilCopied(logGroup(world, this, generation), this.id, process.clock, scope),
        ),
      foundingPatience: () => {
        const end = new AbortController();
        process.clock.setTimeout(() => end.abort(), patienceMs);
        return end.signal;
      },
    };
    return new GenerationHandover({
      disk,
      servers,
      others: follower,
      report: (event, fields) => world.say(this.id, event, fields),
    });
  }

  /** What other managers ask this one. Throws while no manager runs. */
  logJoins(): LogJoinServer {
    if (this.manager === undefined) throw new Error('the manager is being prepared');
    // the certificates here stay as they are
    return new LogJoinServer(this.manager, { letIn: () => undefined });
  }
  /** Rejects when this daemon dies over it. */
  enroll(asker: Asker, told: ManagerTold): Promise<void> {
    const process = this.#process;
    if (process === undefined) return Promise.reject(new Error('nobody answers'));
    const enrolled = process.guard(this.logJoins().enroll(asker, told));
    return new Promise((resolve, reject) => {
      process.onDeath(() => reject(new Error('the daemon died')));
      enrolled.then(resolve, reject);
    });
  }

  /** It goes on as one that joins, in the same generation, with another server. */
  #beginAnew(generation: number): void {
    this.#world.step(this, `begin anew ${generation}`, () => {
      this.disk.stores.delete(generation);
      this.disk.place = { nodeId: this.id, generation, form: 'several', joining: true };
      this.restart(pauseMs.anew);
    });
  }

  #mustPlace(): LogPlace {
    return this.disk.mustPlace();
  }
}
