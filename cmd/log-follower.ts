import {
  LogFollower,
  type OtherManager,
  type OtherManagers,
  type OwnManager,
} from '../actors/node/log-place/log-follower.ts';
import type { LogOffer } from '../actors/node/log-place/log-offer.ts';
import type { Checkpoint } from '../bus/ports.ts';
import type { ManagerTold } from '../domain/model/objects.ts';
import { publicKeyPin } from '../pki/mod.ts';
import { systemClock } from '../supervisors/clock.ts';
import { placeOf } from './found-cluster.ts';
import type { LogEvent } from './log.ts';
import { LogPlaceFiles } from './log-place-files.ts';
import { askOffer, enrollAt, fetchCheckpoint } from './manager-client.ts';
import { type ManagerWiring, tlsOf } from './wiring.ts';

/** The follower of this node's files, which asks the other managers over HTTPS. */
export const newLogFollower = (wiring: ManagerWiring, report: LogEvent): LogFollower =>
  new LogFollower({
    disk: new LogPlaceFiles(wiring),
    managers: new ManagersOverHttps(wiring),
    self: new SelfFromFiles(wiring),
    clock: systemClock,
    report,
  });

/** The other managers that this node knows of, with their join listeners. */
export function otherManagers({ files, identity }: ManagerWiring): readonly OtherManager[] {
  const byAddr = new Map<string, OtherManager>();
  for (const { nodeId, addr } of [...files.managers(), ...files.peers()])
    if (nodeId !== identity.nodeId) byAddr.set(addr, { nodeId, addr });
  return [...byAddr.values()];
}

class ManagersOverHttps implements OtherManagers {
  readonly #wiring: ManagerWiring;

  constructor(wiring: ManagerWiring) {
    this.#wiring = wiring;
  }

  known(): readonly OtherManager[] {
    return otherManagers(this.#wiring);
  }
  async offer(addr: string, scope: AbortSignal): Promise<LogOffer> {
    return askOffer(addr, tlsOf(this.#wiring.files), scope);
  }
  async enroll(addr: string, told: ManagerTold, scope: AbortSignal): Promise<void> {
    return enrollAt(addr, tlsOf(this.#wiring.files), told, scope);
  }
  async checkpoint(addr: string, generation: number, scope: AbortSignal): Promise<Checkpoint> {
    return fetchCheckpoint(addr, tlsOf(this.#wiring.files), generation, scope);
  }
}

class SelfFromFiles implements OwnManager {
  readonly #wiring: ManagerWiring;

  constructor(wiring: ManagerWiring) {
    this.#wiring = wiring;
  }

  told(): ManagerTold {
    return placeOf(this.#wiring.identity, this.#wiring.config);
  }
  pin(): string {
    return publicKeyPin(this.#wiring.files.certificate('node'));
  }
  renew(addr: string): void {
    this.#wiring.onRefused(addr);
  }
}
