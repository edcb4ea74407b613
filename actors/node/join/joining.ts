import { Fault } from '../../../domain/errors.ts';
import type { JoinRequest } from '../../../domain/members/requests.ts';
import { type Clock, pause } from '../../../supervisors/clock.ts';
import type { OwnAddresses } from '../identity.ts';

/** One request for a certificate, which any manager of the cluster may grant. */
export interface JoinAttempt<T> {
  /** Rejects with the manager's `Fault`; `Unavailable` where it does not answer. */
  ask(addr: string, scope: AbortSignal): Promise<T>;
}

/** As Docker's daemon: tries while somebody waits for the answer, and the pauses between two of them, ms. */
const triesMin = 5;
const pauseMs = { first: 2_000, max: 30_000 } as const;

/**
 * Asks again while no manager answers. Managers that refuse a connection at once are given up after `triesMin` tries, as
 * long as the client waits; afterwards it goes on until the scope ends.
 * @param isAwaited whether somebody still waits for the answer
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  isAwaited: () => boolean,
  clock: Clock,
  scope: AbortSignal,
  onFailure: (error: Fault) => void = () => undefined,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const isFinal = !(error instanceof Fault) || error.code !== 'Unavailable';
      if (isFinal || scope.aborted || (tries >= triesMin && isAwaited())) throw error;
      onFailure(error);
    }
    const slower = 2 ** Math.max(0, tries - triesMin);
    await pause(clock, Math.min(pauseMs.max, pauseMs.first * slower), scope);
    scope.throwIfAborted();
  }
}

export interface JoiningOptions<T> {
  readonly request: JoinRequest;
  readonly addresses: OwnAddresses;
  readonly attempt: JoinAttempt<T>;
  readonly clock: Clock;
  /** How long the client is made to wait, ms; the join goes on afterwards. */
  readonly patienceMs: number;
  readonly scope: AbortSignal;
}

/** A join that is under way: the node has no certificate yet. */
export class Joining<T> {
  /** What a manager grants. Rejects with a `Fault`, or when the scope ends. */
  readonly joined: Promise<T>;
  readonly request: JoinRequest;
  readonly addresses: OwnAddresses;
  /** Why the last try failed; '' for none. */
  error = '';

  constructor({ request, addresses, attempt, clock, patienceMs, scope }: JoiningOptions<T>) {
    this.request = request;
    this.addresses = addresses;
    const until = clock.now() + patienceMs;
    this.joined = persist(
      () => firstOf(request.remoteAddrs, (addr) => attempt.ask(addr, scope)),
      () => clock.now() < until,
      clock,
      scope,
      ({ message }) => (this.error = message),
    );
  }
}

/** One manager after the other until one answers; what a manager itself refuses is final. */
export async function firstOf<T>(
  addrs: readonly string[],
  ask: (addr: string) => Promise<T>,
): Promise<T> {
  let last: unknown;
  for (const addr of addrs)
    try {
      return await ask(/:\d+$/.test(addr) ? addr : `${addr}:2377`);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'Unavailable') throw error;
      last = error;
    }
  throw last;
}
