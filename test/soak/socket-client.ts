// A client of the API's socket that reads slowly or not at all, and sends without end.

import { type ClientRequest, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../sim/world/random.ts';
import { type Deeds, takeTurns, type Turns } from './turns.ts';
import { watched } from './watch.ts';

const weights = { events: 1, logs: 1, bodies: 1, lists: 1 } as const;
type Kind = keyof typeof weights;
const openMax = 1_000;
const bodyChunk = 'x'.repeat(64 * 2 ** 10);
const atOnce = 20;

export class SocketClient {
  readonly #sockets: readonly string[];
  readonly #random: Random;
  readonly #done: Record<Kind, number> = { events: 0, logs: 0, bodies: 0, lists: 0 };

  constructor(sockets: readonly string[], random: Random) {
    this.#sockets = sockets;
    this.#random = random;
  }

  /** How many requests it has made, by kind. */
  async run(seconds: number): Promise<Deeds> {
    await takeTurns(this.#random, weights, this.#turns, seconds);
    return this.#done;
  }

  readonly #turns: Turns<Kind> = {
    events: (end) => this.#open(end, 'events', () => this.#unread('/v1.51/events')),
    logs: (end) =>
      this.#open(end, 'logs', () =>
        this.#unread(`/v1.51/services/${watched}/logs?stdout=1&stderr=1&follow=1`),
      ),
    bodies: (end) => this.#open(end, 'bodies', () => this.#endless()),
    lists: (end) => this.#open(end, 'lists', () => this.#unread('/v1.51/tasks')),
  };

  /** Opens streams until there are enough, and keeps them for the rest of the turn. */
  async #open(end: number, kind: Kind, open: () => ClientRequest): Promise<void> {
    const requests: ClientRequest[] = [];
    while (performance.now() < end && requests.length < openMax) {
      requests.push(open().on('error', () => undefined));
      this.#done[kind] += 1;
      if (requests.length % atOnce === 0) await sleep(1);
    }
    await sleep(Math.max(0, end - performance.now()));
    for (const one of requests) one.destroy();
  }

  /** The answer is not read. */
  #unread(path: string): ClientRequest {
    const call = request({ socketPath: this.#random.pick(this.#sockets), path, agent: false });
    call.on('response', (answer) => answer.on('error', () => undefined).pause()).end();
    return call;
  }

  /** As much as the other side takes, for as long as it takes it. */
  #endless(): ClientRequest {
    const socketPath = this.#random.pick(this.#sockets);
    const path = '/v1.51/services/create';
    const headers = { 'content-type': 'application/json' };
    const call = request({ socketPath, path, method: 'POST', headers, agent: false });
    const send = (): void => {
      if (!call.destroyed && call.write(bodyChunk)) setImmediate(send);
    };
    call.on('drain', send).on('response', (answer) => answer.resume());
    send();
    return call;
  }
}
