// Somebody without a certificate at a manager's ports.

import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { Random } from '../sim/world/random.ts';
import { type Deeds, takeTurns, type Turns } from './turns.ts';

const weights = { silence: 2, noise: 2, handshakes: 2, bodies: 1 } as const;
type Kind = keyof typeof weights;
const openMax = 1_000;
const atOnce = 50;
const noiseBytesMax = 20_000;

export interface Ports {
  readonly join: number;
  readonly all: readonly number[];
}

export class Stranger {
  readonly #managers: readonly string[];
  readonly #ports: Ports;
  readonly #random: Random;
  readonly #done: Record<Kind, number> = { silence: 0, noise: 0, handshakes: 0, bodies: 0 };

  constructor(managers: readonly string[], ports: Ports, random: Random) {
    this.#managers = managers;
    this.#ports = ports;
    this.#random = random;
  }

  /** How many connections it has opened, by what it did on them. */
  async run(seconds: number): Promise<Deeds> {
    await takeTurns(this.#random, weights, this.#turns, seconds);
    return this.#done;
  }

  readonly #turns: Turns<Kind> = {
    silence: (end) => this.#open(end, 'silence', () => this.#tcp()),
    noise: (end) =>
      this.#open(end, 'noise', () => {
        const socket = this.#tcp();
        socket.write(this.#noise());
        return socket;
      }),
    handshakes: (end) =>
      this.#open(end, 'handshakes', () => {
        const socket = this.#tls(this.#random.pick(this.#ports.all));
        socket.write('CONNECT {}\r\nPING\r\n');
        return socket;
      }),
    bodies: (end) =>
      this.#open(end, 'bodies', () => {
        const socket = this.#tls(this.#ports.join);
        socket.write('POST /v1/join HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n');
        socket.write(`${noiseBytesMax.toString(16)}\r\n`);
        socket.write(this.#noise());
        return socket;
      }),
  };

  /** Opens connections until there are enough, and keeps them for the rest of the turn. */
  async #open(end: number, kind: Kind, open: () => Socket): Promise<void> {
    const sockets: Socket[] = [];
    while (performance.now() < end && sockets.length < openMax) {
      sockets.push(open().on('error', () => undefined));
      this.#done[kind] += 1;
      if (sockets.length % atOnce === 0) await sleep(1);
    }
    await sleep(Math.max(0, end - performance.now()));
    for (const socket of sockets) socket.destroy();
  }

  #tcp(): Socket {
    return connectTcp({ host: this.#manager(), port: this.#random.pick(this.#ports.all) });
  }
  #tls(port: number): Socket {
    return connectTls({ host: this.#manager(), port, rejectUnauthorized: false });
  }
  #manager(): string {
    return this.#random.pick(this.#managers);
  }
  #noise(): Uint8Array {
    return Uint8Array.from({ length: this.#random.int(1, noiseBytesMax) }, () =>
      this.#random.int(0, 255),
    );
  }
}
