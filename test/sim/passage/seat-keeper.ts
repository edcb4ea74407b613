import type { Manager } from '../../../actors/manager/manager.ts';
import type { Checkpoint } from '../../../bus/ports.ts';
import { bestInformedFirst } from '../../../domain/members/form.ts';
import { pause } from '../../../supervisors/clock.ts';
import type { SimProcess } from '../world/process.ts';
import { exchange } from './exchange.ts';
import type { PassageHost } from './host.ts';
import type { PassageWorld } from './world.ts';

/** What another manager says of where the log goes on. */
export interface SeatTold {
  readonly generation: number;
  /** The managers whose servers belong together. */
  readonly peers: readonly string[];
  readonly index: number;
  /** The generation that the manager asked is in. */
  readonly current: number;
}
interface Found {
  readonly other: PassageHost;
  readonly seat: SeatTold;
}

/** Pauses as a daemon's, ms. */
const pauseMs = { seek: 500, watch: 2_000 } as const;
/** As a daemon's, but for the state, which is small here, ms. */
const limitMs = { seat: 3_000, enroll: 20_000, state: 5_000 } as const;

/** As `SeatKeeper` of a daemon, whose questions go over HTTPS. */
export class SimSeatKeeper {
  readonly #world: PassageWorld;
  readonly #host: PassageHost;
  readonly #process: SimProcess;
  readonly #scope: AbortSignal;

  constructor(world: PassageWorld, host: PassageHost, process: SimProcess, scope: AbortSignal) {
    this.#world = world;
    this.#host = host;
    this.#process = process;
    this.#scope = scope;
  }

  async seek(): Promise<void> {
    const { disk, id } = this.#host;
    for (; !this.#scope.aborted; await this.#pause(pauseMs.seek)) {
      if (disk.mustSeat().generation > 0 && disk.mustSeat().joining === undefined) return;
      const found = bestInformedFirst(await this.#ask());
      const [best] = found;
      if (best === undefined) continue;
      const { generation } = disk.mustSeat();
      if (best.seat.generation !== generation) return this.#host.takeSeat(best.seat);
      disk.peers = best.seat.peers;
      this.#world.changed();
      for (const { other, seat } of found)
        if (seat.generation === generation)
          if (best.seat.peers.includes(id) || (await this.#enroll(other))) break;
    }
  }

  async watch(manager: Manager): Promise<void> {
    const { id } = this.#host;
    for (; !this.#scope.aborted; await this.#pause(pauseMs.watch))
      for (const { seat } of await this.#ask()) {
        const isLost = !seat.peers.includes(id) && seat.index >= manager.view().index;
        if (seat.current > manager.generation || (seat.current === manager.generation && isLost))
          return this.#host.takeSeat(seat);
      }
  }

  /** Rejects when the daemon ends. */
  async begun(generation: number): Promise<void> {
    while (!(await this.#ask()).some(({ seat }) => seat.current >= generation)) {
      await this.#pause(pauseMs.seek);
      this.#scope.throwIfAborted();
    }
  }

  async fetchState(): Promise<void> {
    const { disk } = this.#host;
    const { generation } = disk.mustSeat();
    for (; !this.#scope.aborted; await this.#pause(pauseMs.seek))
      for (const other of this.#world.others(this.#host)) {
        const asked = this.#exchange('state', limitMs.state, () => stateOf(other, generation));
        const checkpoint = await asked.catch(() => undefined);
        if (checkpoint !== undefined)
          return this.#process.guard(disk.beginJournal(generation, this.#process, checkpoint));
      }
    this.#scope.throwIfAborted();
  }

  /** Whether the other one let this manager in. */
  async #enroll(other: PassageHost): Promise<boolean> {
    const [addr, bus, route] = ['1:2377', '1:7946', `${this.#host.id}:7947`];
    const place = { nodeId: this.#host.id, addr, bus, route };
    const outcome = await this.#exchange('enroll', limitMs.enroll, () =>
      other.command('manager.enroll', place),
    ).catch((error: unknown) => ({ kind: 'unknown', message: String(error) }));
    const isTaken = outcome.kind === 'acknowledged';
    if (!isTaken) this.#world.say(this.#host.id, 'not enrolled', outcome);
    return isTaken;
  }

  /** All at once, those that answer. */
  async #ask(): Promise<readonly Found[]> {
    const found: Found[] = [];
    await Promise.all(
      this.#world.others(this.#host).map(async (other) => {
        const seat = await this.#exchange('seat', limitMs.seat, () =>
          Promise.resolve(other.tellSeat(this.#host.id)),
        ).catch(() => undefined);
        if (seat !== undefined) found.push({ other, seat });
      }),
    );
    return found;
  }

  /** Never resolves for a daemon that has ended. */
  #exchange<T>(what: string, limit: number, act: () => Promise<T>): Promise<T> {
    return this.#process.guard(exchange(this.#world, what, limit, act));
  }
  #pause(ms: number): Promise<void> {
    return pause(this.#process.clock, ms, this.#scope);
  }
}

const stateOf = ({ manager }: PassageHost, generation: number): Promise<Checkpoint> =>
  manager?.generation === generation
    ? Promise.resolve(manager.snapshot())
    : Promise.reject(new Error('it is in another generation'));
