import type { JoinAttempt } from '../actors/node/join/joining.ts';
import type { Issued, JoinAsk } from '../api/join-listener.ts';
import { daemonFault } from '../domain/errors.ts';
import type { JoinRequest } from '../domain/members/requests.ts';
import { createRequest, generateKeys, type JoinToken, privateKeyToPem } from '../pki/mod.ts';
import { joinThrough, tokenFrom } from './join-cluster.ts';

/** A manager's answer, and the key that it is for. */
export interface Joined {
  readonly grant: Issued;
  readonly key: string;
}

/** A join with a key that is drawn for it. */
export class KeyedJoin implements JoinAttempt<Joined> {
  readonly #token: JoinToken | undefined;
  readonly #key: string;
  readonly #ask: JoinAsk;

  /** Throws Docker's texts for a request that nobody need be asked about. */
  constructor(request: JoinRequest, addr: string, labels: JoinAsk['labels']) {
    this.#token = tokenFrom(request.joinToken);
    if (request.remoteAddrs.length === 0)
      throw daemonFault('InvalidArgument', 'at least 1 RemoteAddr is required to join');
    const { privateKey } = generateKeys();
    this.#key = privateKeyToPem(privateKey);
    this.#ask = {
      token: request.joinToken,
      request: createRequest(privateKey),
      availability: request.availability,
      labels,
      addr,
    };
  }

  async ask(addr: string, scope: AbortSignal): Promise<Joined> {
    return { grant: await joinThrough(addr, this.#token, this.#ask, scope), key: this.#key };
  }
}
