import type { Issued, JoinAsk } from '../api/join-listener.ts';
import type { JoinRequest } from '../domain/members/requests.ts';
import { daemonFault, Fault } from '../domain/errors.ts';
import { createRequest, generateKeys, privateKeyToPem } from '../pki/mod.ts';
import { type Clock, pause } from '../supervisors/clock.ts';
import { firstOf, joinThrough, tokenFrom } from './join-cluster.ts';
import type { OwnAddresses } from '../actors/node/identity.ts';

/** A manager's answer, and the key that it is for. */
export interface Joined {
  readonly grant: Issued;
  readonly key: string;
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

export interface JoiningOptions {
  readonly request: JoinRequest;
  readonly addresses: OwnAddresses;
  readonly labels: JoinAsk['labels'];
  readonly clock: Clock;
  /** How long the client is made to wait, ms; the join goes on afterwards. */
  readonly patienceMs: number;
}

/** A join that is under way: the node has no certificate yet. */
export class Joining {
  /** Rejects with a Fault, or when it is aborted. */
  readonly joined: Promise<Joined>;
  readonly request: JoinRequest;
  readonly addresses: OwnAddresses;
  /** Why the last try failed; '' for none. */
  error = '';
  readonly #end = new AbortController();

  /** Throws Docker's texts for a request that nobody need be asked about. */
  constructor({ request, addresses, labels, clock, patienceMs }: JoiningOptions) {
    this.request = request;
    this.addresses = addresses;
    const token = tokenFrom(request.joinToken);
    if (request.remoteAddrs.length === 0)
      throw daemonFault('InvalidArgument', 'at least 1 RemoteAddr is required to join');
    const { privateKey } = generateKeys();
    const ask: JoinAsk = {
      token: request.joinToken,
      request: createRequest(privateKey),
      availability: request.availability,
      labels,
      addr: addresses.advertiseHost,
    };
    const { signal } = this.#end;
    const until = clock.now() + patienceMs;
    this.joined = persist(
      () => firstOf(request.remoteAddrs, (addr) => joinThrough(addr, token, ask, signal)),
      () => clock.now() < until,
      clock,
      signal,
      ({ message }) => (this.error = message),
    ).then((grant) => ({ grant, key: privateKeyToPem(privateKey) }));
  }

  get isAborted(): boolean {
    return this.#end.signal.aborted;
  }
  abort(): void {
    this.#end.abort();
  }
}
