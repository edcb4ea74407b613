// Whoever opens connections and says nothing.

import { connect, type Socket } from 'node:net';
import { until } from './engine.ts';

export class Mutes {
  readonly #port: number;
  readonly #localAddress: string;
  readonly #open = new Set<Socket>();
  #left: number;

  /** @param connections in all, those that are opened again included */
  constructor(port: number, localAddress: string, connections: number) {
    this.#port = port;
    this.#localAddress = localAddress;
    this.#left = connections;
  }

  /** Of which the server, as far as this side knows, holds each. */
  get open(): number {
    return this.#open.size;
  }

  /** Opens so many, each of which is opened again when it is closed. Resolves when all have been tried. */
  async hold(connections: number): Promise<void> {
    const tried = new Set<number>();
    for (let i = 0; i < connections; i++) this.#connect(() => void tried.add(i));
    const are = `${connections} connections to be tried`;
    await until(() => tried.size === connections, 20_000, are);
  }

  /** Those that the server closes stay closed. */
  rest(): void {
    this.#left = 0;
  }

  end(): void {
    this.rest();
    for (const socket of this.#open) socket.destroy();
  }

  #connect(onTried: () => void): void {
    if (this.#left-- <= 0) return onTried();
    const socket = connect({
      port: this.#port,
      host: '127.0.0.1',
      localAddress: this.#localAddress,
    });
    this.#open.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', onTried);
    // what the server says is read, or its end would not be noticed
    socket.resume();
    socket.once('close', () => {
      this.#open.delete(socket);
      onTried();
      this.#connect(() => undefined);
    });
  }
}
