import type { Checkpoint } from '../../../bus/ports.ts';
import { Fault } from '../../../domain/errors.ts';
import { bestInformedFirst, placedManagers } from '../../../domain/members/form.ts';
import type { ManagerTold } from '../../../domain/model/objects.ts';
import { type Clock, pause } from '../../../supervisors/clock.ts';
import type { Report } from '../../../supervisors/report.ts';
import type { Manager } from '../../manager/manager.ts';
import type { LogOffer } from './log-offer.ts';
import type { LogPlaceDisk } from './log-place.ts';

/** Pauses between two questions: while this manager has no place, and while it looks for another generation; and between
 * two new certificates because this one is said to be no manager; ms. */
const pauseMs = { seeking: 500, watching: 2_000, refused: 3_000 } as const;

/** A manager that this node knows of; `addr` is its join listener. */
export interface OtherManager {
  readonly nodeId: string;
  readonly addr: string;
}

/** The other managers, reached by their join listeners. All promises reject with the other's `Fault`, or when the scope ends. */
export interface OtherManagers {
  /** Those that this node knows of now. */
  known(): readonly OtherManager[];
  /** Where the log goes on. */
  offer(addr: string, scope: AbortSignal): Promise<LogOffer>;
  /** Tells the managers, through this one, where the asker is. */
  enroll(addr: string, told: ManagerTold, scope: AbortSignal): Promise<void>;
  /** The state of this generation. */
  checkpoint(addr: string, generation: number, scope: AbortSignal): Promise<Checkpoint>;
}

/** What the others are to know of this manager. */
export interface OwnManager {
  told(): ManagerTold;
  /** Of the key of the certificate in use. */
  pin(): string;
  /** The manager at `addr` says that this node is not to be one: it gets a new certificate, which tells. */
  renew(addr: string): void;
}

export interface LogFollowerOptions {
  readonly disk: LogPlaceDisk;
  readonly managers: OtherManagers;
  readonly self: OwnManager;
  readonly clock: Clock;
  readonly report: Report;
}

/**
 * A manager's part in the log: finds out from other managers where the log goes on, tells them where this one is, and
 * notices that it goes on without this one.
 */
export class LogFollower {
  readonly #options: LogFollowerOptions;
  #believeFrom = Number.NEGATIVE_INFINITY;

  constructor(options: LogFollowerOptions) {
    this.#options = options;
  }

  /**
   * For a manager without a place: asks until another tells of one, then tells that one where this manager is. The disk
   * hears of a generation that is not this one's. Resolves when the manager has its place, or the scope ends: one that
   * has it may be the manager that is to begin the next generation, and must not look for it elsewhere.
   */
  async seek(scope: AbortSignal): Promise<void> {
    const { disk, clock } = this.#options;
    while (!scope.aborted) {
      const place = disk.place();
      if (place.generation > 0 && place.joining === undefined) return;
      const found = bestInformedFirst(await this.#ask(scope));
      if (scope.aborted) return;
      if (disk.place() !== place) continue;
      const [best] = found;
      if (best !== undefined) {
        if (best.offer.generation !== place.generation) return this.#take(best.offer);
        disk.notePeers(best.offer.peers);
        for (const other of found)
          if (other.offer.generation === place.generation)
            if (await this.#enroll(other, scope)) break;
      }
      await pause(clock, pauseMs.seeking, scope);
    }
  }

  /** The state from the first other manager of this generation that gives it; asks until one does. */
  async fetchState(scope: AbortSignal): Promise<void> {
    const { disk, managers, clock, report } = this.#options;
    const { generation } = disk.place();
    for (;;) {
      scope.throwIfAborted();
      for (const { addr } of managers.known())
        try {
          const checkpoint = await managers.checkpoint(addr, generation, scope);
          await disk.beginJournal(generation, checkpoint);
          report('state_fetched', { from: addr, index: checkpoint.seq });
          return;
        } catch (error) {
          report('state_not_fetched', { from: addr, error: String(error) });
        }
      await pause(clock, pauseMs.seeking, scope);
    }
  }

  /** Asks the other managers until one is in this generation, or in a later one. Rejects when the scope ends. */
  async begun(generation: number, scope: AbortSignal): Promise<void> {
    while (!(await this.#ask(scope)).some(({ offer }) => offer.current >= generation)) {
      await pause(this.#options.clock, pauseMs.seeking, scope);
      scope.throwIfAborted();
    }
    scope.throwIfAborted();
  }

  /**
   * For a manager that has its place: while something is amiss, looks whether the log goes on elsewhere, or without this
   * one, or with keys of the others that this one has not heard of. While it does not know them it hears of nothing by the
   * log. The manager that is asked lets this one's own key in; where the state does not have it, this one has it written down.
   */
  async watch(manager: Pick<Manager, 'view' | 'leaderId'>, scope: AbortSignal): Promise<void> {
    for (let known = 0; !scope.aborted; ) {
      if (this.#isAmiss(manager))
        for (const found of await this.#ask(scope)) {
          const { offer } = found;
          const { nodeId, generation } = this.#options.disk.place();
          if (offer.current < generation || scope.aborted) continue;
          if (offer.current > generation) return this.#leave(offer);
          known = Math.max(known, manager.view().index);
          const isPlaced = offer.peers.some((peer) => peer.nodeId === nodeId);
          if (!isPlaced && offer.index >= known) {
            // it was let go and is wanted again before it heard of either
            this.#options.report('seat_lost', { generation }, 'warn');
            return this.#take(offer);
          }
          known = await this.#learn(found, known, scope);
        }
      await pause(this.#options.clock, pauseMs.watching, scope);
    }
  }

  #isAmiss(manager: Pick<Manager, 'view' | 'leaderId'>): boolean {
    const { disk, self } = this.#options;
    const view = manager.view();
    const own = view.node(disk.place().nodeId);
    // one that is let go and stays a worker hears so from its certificate
    const isToBePlacedAnew = own?.role === 'manager' && own.manager === undefined;
    return (
      manager.leaderId() === '' ||
      isToBePlacedAnew ||
      own?.pins?.includes(self.pin()) === false ||
      placedManagers(view).some((node) => node.manager.reachability === 'unreachable')
    );
  }

  /** Of a manager in the same generation. Answers up to which record the peers on the disk are from. */
  async #learn(found: Found, known: number, scope: AbortSignal): Promise<number> {
    const { disk, self } = this.#options;
    const { peers, index } = found.offer;
    if (index > known) disk.notePeers(peers);
    const own = peers.find(({ nodeId }) => nodeId === disk.place().nodeId);
    if (own?.pins.includes(self.pin()) === false) await this.#enroll(found, scope);
    return Math.max(known, index);
  }

  /** For a manager that is not let in: whether the log goes on in another generation, which it then goes over to. */
  async leave(scope: AbortSignal): Promise<boolean> {
    const { generation } = this.#options.disk.place();
    const found = await this.#ask(scope);
    const later = found.find(({ offer }) => offer.current > generation);
    if (later === undefined || scope.aborted) return false;
    this.#leave(later.offer);
    return true;
  }

  #leave(offer: LogOffer): void {
    const { disk, report } = this.#options;
    report('generation_left', { generation: disk.place().generation, now: offer.current });
    this.#take(offer);
  }

  #take(offer: LogOffer): void {
    const { disk } = this.#options;
    disk.takeOffer(offer);
    const { founding: _, ...rest } = disk.place();
    disk.save({ ...rest, generation: offer.generation, form: 'several', joining: true });
  }

  /** Whether the manager that was asked, or the state that it has, knows where this one is. */
  async #enroll({ addr, offer }: Found, scope: AbortSignal): Promise<boolean> {
    const { disk, managers, self, report } = this.#options;
    const told = self.told();
    const known = offer.peers.find(({ nodeId }) => nodeId === disk.place().nodeId);
    const isKnown =
      known?.addr === told.addr && known.bus === told.bus && known.route === told.route;
    if (isKnown && known.pins.includes(self.pin())) return true;
    return managers.enroll(addr, told, scope).then(
      () => {
        report('manager_enrolled', { through: addr });
        return true;
      },
      (error: unknown) => {
        report('manager_not_enrolled', { error: String(error) });
        return false;
      },
    );
  }

  /** What the other managers say, those that answer, in no order. */
  async #ask(scope: AbortSignal): Promise<readonly Found[]> {
    const { managers, report } = this.#options;
    const found: Found[] = [];
    await Promise.all(
      managers.known().map(async ({ addr }) => {
        try {
          found.push({ addr, offer: await managers.offer(addr, scope) });
        } catch (error) {
          report('seat_not_told', { by: addr, error: String(error) });
          if (error instanceof Fault && error.code === 'PermissionDenied') this.#doubt(addr);
        }
      }),
    );
    return found;
  }

  /** A manager's refusal is believed as soon as the certificate says the same. */
  #doubt(refusedBy: string): void {
    const { clock, self } = this.#options;
    if (clock.now() < this.#believeFrom) return;
    this.#believeFrom = clock.now() + pauseMs.refused;
    self.renew(refusedBy);
  }
}

interface Found {
  readonly addr: string;
  readonly offer: LogOffer;
}
