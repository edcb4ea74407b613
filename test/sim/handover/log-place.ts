import { createHash } from 'node:crypto';
import type {
  OtherManager,
  OtherManagers,
  OwnManager,
} from '../../../actors/node/log-place/log-follower.ts';
import type { Asker } from '../../../actors/node/log-place/log-join-server.ts';
import type { LogOffer } from '../../../actors/node/log-place/log-offer.ts';
import type { Checkpoint } from '../../../bus/ports.ts';
import type { ManagerTold } from '../../../domain/model/objects.ts';
import type { SimProcess } from '../world/process.ts';
import { exchange } from './exchange.ts';
import type { HandoverHost } from './host.ts';
import type { HandoverWorld } from './world.ts';

/** As a daemon's, but for the state, which is small here, ms. */
const limitMs = { offer: 3_000, enroll: 20_000, checkpoint: 5_000 } as const;

/** What the certificate of this machine is known by; it is never renewed here. */
export const pinOf = (id: string): string => createHash('sha256').update(id).digest('hex');

export const toldOf = (id: string): ManagerTold => ({
  addr: '1:2377',
  bus: '1:7946',
  route: `${id}:7947`,
});

/** The join listeners of the other machines, as one incarnation of a daemon reaches them. An address is the machine's ID. */
export class SimOtherManagers implements OtherManagers {
  readonly #world: HandoverWorld;
  readonly #host: HandoverHost;
  readonly #process: SimProcess;

  constructor(world: HandoverWorld, host: HandoverHost, process: SimProcess) {
    this.#world = world;
    this.#host = host;
    this.#process = process;
  }

  known(): readonly OtherManager[] {
    return this.#world.hosts
      .filter((host) => host !== this.#host)
      .map(({ id }) => ({ nodeId: id, addr: id }));
  }
  offer(addr: string): Promise<LogOffer> {
    return this.#ask('seat', limitMs.offer, addr, (other, asker) =>
      Promise.resolve(other.logJoins().offer(asker)),
    );
  }
  enroll(addr: string, told: ManagerTold): Promise<void> {
    return this.#ask('enroll', limitMs.enroll, addr, (other, asker) => other.enroll(asker, told));
  }
  checkpoint(addr: string, generation: number): Promise<Checkpoint> {
    return this.#ask('state', limitMs.checkpoint, addr, (other, asker) =>
      Promise.resolve(other.logJoins().checkpoint(asker, generation)),
    );
  }

  /** Never ends for a daemon that has ended. */
  #ask<T>(
    what: string,
    limit: number,
    addr: string,
    act: (other: HandoverHost, asker: Asker) => Promise<T>,
  ): Promise<T> {
    const asker = { nodeId: this.#host.id, pin: pinOf(this.#host.id) };
    const asked = async (): Promise<T> => {
      const other = this.#world.others(this.#host).find(({ id }) => id === addr);
      if (other === undefined) throw new Error('it cannot be reached');
      return act(other, asker);
    };
    return this.#process.guard(exchange(this.#world, what, limit, asked));
  }
}

export class SimSelf implements OwnManager {
  readonly #id: string;

  constructor(id: string) {
    this.#id = id;
  }

  told(): ManagerTold {
    return toldOf(this.#id);
  }
  pin(): string {
    return pinOf(this.#id);
  }
  /** `follow` does what a renewal would. */
  renew(): void {
    return undefined;
  }
}
