import type { Manager } from '../actors/manager/manager.ts';
import { Fault } from '../domain/errors.ts';
import { bestInformedFirst, placedManagers } from '../domain/members/form.ts';
import { placeOf } from './found-cluster.ts';
import type { LogEvent } from './log.ts';
import { askSeat, enrollAt, fetchCheckpoint } from './seat-client.ts';
import type { Seat } from './seat-desk.ts';
import { beginJournal } from './generation.ts';
import { newKey, publicKeyPin } from '../pki/mod.ts';
import { applyLock } from './key-lock.ts';
import { pause, systemClock } from '../supervisors/clock.ts';
import { type ManagerWiring, tlsOf } from './wiring.ts';

/** Pauses between two questions: while this manager has no seat, and while it looks for another generation; and between
 * two new certificates because this one is said to be no manager; ms. */
const pauseMs = { seeking: 500, watching: 2_000, refused: 3_000 } as const;

/**
 * A manager's part in the log: finds out from other managers where the log goes on, tells them where this one is, and
 * notices that it goes on without this one.
 */
export class SeatKeeper {
  readonly #wiring: ManagerWiring;
  readonly #report: LogEvent;
  #believeFrom = 0;

  constructor(wiring: ManagerWiring, report: LogEvent) {
    this.#wiring = wiring;
    this.#report = report;
  }

  /**
   * For a manager without a seat: asks until another tells of one, then tells that one where this manager is.
   * `onIdentity` hears of a generation that is not this one's. Resolves when the manager has its seat, or the scope ends:
   * one that has it may be who is to begin the next generation, and must not look for it elsewhere.
   */
  async seek(scope: AbortSignal): Promise<void> {
    const { files } = this.#wiring;
    for (;;) {
      const { identity } = this.#wiring;
      if (identity.generation > 0 && identity.joining === undefined) return;
      const found = bestInformedFirst(await this.#ask(scope));
      if (scope.aborted) return;
      if (this.#wiring.identity !== identity) continue;
      const [best] = found;
      if (best !== undefined) {
        if (best.seat.generation !== identity.generation) return this.#take(best.seat);
        files.writePeers(best.seat.peers);
        for (const other of found)
          if (other.seat.generation === identity.generation)
            if (await this.#enroll(other, scope)) break;
      }
      await pause(systemClock, pauseMs.seeking, scope);
    }
  }

  /** The state from the first other manager of this generation that gives it; asks until one does. */
  async fetchState(scope: AbortSignal): Promise<void> {
    const { identity, files } = this.#wiring;
    for (;;) {
      scope.throwIfAborted();
      for (const { addr } of this.others())
        try {
          const checkpoint = await fetchCheckpoint(addr, tlsOf(files), identity.generation, scope);
          await beginJournal(files, identity.generation, checkpoint);
          this.#report('state_fetched', { from: addr, index: checkpoint.seq });
          return;
        } catch (error) {
          this.#report('state_not_fetched', { from: addr, error: String(error) });
        }
      await pause(systemClock, pauseMs.seeking, scope);
    }
  }

  /** Asks the other managers until one is in this generation, or in a later one. Rejects when the scope ends. */
  async begun(generation: number, scope: AbortSignal): Promise<void> {
    while (!(await this.#ask(scope)).some(({ seat }) => seat.current >= generation)) {
      await pause(systemClock, pauseMs.seeking, scope);
      scope.throwIfAborted();
    }
    scope.throwIfAborted();
  }

  /**
   * For a seated manager: while something is amiss, looks whether the log goes on elsewhere, or without this one, or with keys
   * of the others that this one has not heard of. While it does not know them it hears of nothing by the log. Whoever is asked
   * lets this manager's own key in; where the state does not have it, this manager has it written down.
   */
  async watch(manager: Manager, scope: AbortSignal): Promise<void> {
    const { identity, files } = this.#wiring;
    let known = 0;
    const own = (): string => publicKeyPin(files.certificate('node'));
    // one that is let go for good hears so from its certificate
    const isToBePlacedAnew = (): boolean => {
      const node = manager.view().node(identity.nodeId);
      return node?.role === 'manager' && node.manager === undefined;
    };
    const amiss = (): boolean =>
      manager.leaderId() === '' ||
      isToBePlacedAnew() ||
      manager.view().node(identity.nodeId)?.pins?.includes(own()) === false ||
      placedManagers(manager.view()).some((node) => node.manager.reachability === 'unreachable');
    while (!scope.aborted) {
      if (amiss())
        for (const found of await this.#ask(scope)) {
          const { seat } = found;
          if (seat.current < identity.generation || scope.aborted) continue;
          if (seat.current === identity.generation) {
            known = Math.max(known, manager.view().index);
            const isPlaced = seat.peers.some(({ nodeId }) => nodeId === identity.nodeId);
            if (!isPlaced && seat.index >= known) {
              // it was let go and is wanted again before it heard of either
              this.#report('seat_lost', { generation: identity.generation }, 'warn');
              return this.#take(seat);
            }
            if (seat.index > known) files.writePeers(seat.peers);
            known = Math.max(known, seat.index);
            const self = seat.peers.find(({ nodeId }) => nodeId === identity.nodeId);
            if (self?.pins.includes(own()) === false) await this.#enroll(found, scope);
            continue;
          }
          this.#report('generation_left', { generation: identity.generation, now: seat.current });
          return this.#take(seat);
        }
      await pause(systemClock, pauseMs.watching, scope);
    }
  }

  #take(seat: Seat): void {
    const { identity, files, onIdentity, onLock } = this.#wiring;
    const isLockedAnew = applyLock(files, seat.lock);
    // a new manager has nothing on its disk yet that another key has encrypted
    const dataKey = files.keys()?.dataKey ?? newKey().toString('hex');
    files.writeKeys({ dataKey, busIssuerSeed: seat.busIssuerSeed });
    if (isLockedAnew) onLock();
    files.writePeers(seat.peers);
    const { founding: _, ...rest } = identity;
    onIdentity({ ...rest, generation: seat.generation, form: 'several', joining: true });
  }

  /** Whether the manager that was asked, or the state that it has, knows where this one is. */
  async #enroll({ addr, seat }: Found, scope: AbortSignal): Promise<boolean> {
    const { identity, config, files } = this.#wiring;
    const place = placeOf(identity, config);
    const known = seat.peers.find(({ nodeId }) => nodeId === identity.nodeId);
    const isKnown =
      known?.addr === place.addr && known.bus === place.bus && known.route === place.route;
    if (isKnown && known.pins.includes(publicKeyPin(files.certificate('node')))) return true;
    return enrollAt(addr, tlsOf(files), place, scope).then(
      () => {
        this.#report('manager_enrolled', { through: addr });
        return true;
      },
      (error: unknown) => {
        this.#report('manager_not_enrolled', { error: String(error) });
        return false;
      },
    );
  }

  /** What the other managers say, those that answer, in no order. */
  async #ask(scope: AbortSignal): Promise<readonly Found[]> {
    const { files, onRefused } = this.#wiring;
    const found: Found[] = [];
    await Promise.all(
      this.others().map(async ({ addr }) => {
        try {
          found.push({ addr, seat: await askSeat(addr, tlsOf(files), scope) });
        } catch (error) {
          this.#report('seat_not_told', { by: addr, error: String(error) });
          const isRefusal = error instanceof Fault && error.code === 'PermissionDenied';
          if (!isRefusal || performance.now() < this.#believeFrom) return;
          this.#believeFrom = performance.now() + pauseMs.refused;
          onRefused(addr);
        }
      }),
    );
    return found;
  }

  /** The other managers that this node knows of, with their join listeners. */
  others(): readonly Other[] {
    const { files, identity } = this.#wiring;
    const byAddr = new Map<string, Other>();
    for (const { nodeId, addr } of [...files.managers(), ...files.peers()])
      if (nodeId !== identity.nodeId) byAddr.set(addr, { nodeId, addr });
    return [...byAddr.values()];
  }

  /** For a manager that is not let in: whether the log goes on in another generation, which it then goes over to. */
  async leave(scope: AbortSignal): Promise<boolean> {
    const { identity } = this.#wiring;
    const found = await this.#ask(scope);
    const later = found.find(({ seat }) => seat.current > identity.generation);
    if (later === undefined || scope.aborted) return false;
    this.#report('generation_left', { generation: identity.generation, now: later.seat.current });
    this.#take(later.seat);
    return true;
  }
}

export interface Other {
  readonly nodeId: string;
  readonly addr: string;
}
interface Found {
  readonly addr: string;
  readonly seat: Seat;
}
