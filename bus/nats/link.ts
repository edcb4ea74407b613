import type { Msg, MsgHdrs, NatsConnection, Subscription } from 'nats';
import { BusError, type Unsubscribe } from '../ports.ts';
import { Dialer, type DialOptions } from './dialer.ts';
import { toBusError } from './errors.ts';
import { watchOver } from './lifeline.ts';

export type { DialOptions as LinkOptions, TlsMaterial } from './dialer.ts';

export type LinkHandler = (error: Error | null, message: Msg) => void;

interface Interest {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly handler: LinkHandler;
  current: Subscription | undefined;
}

/** A connection to the bus that is made again whenever it is lost, and the subscriptions with it. */
export class Link {
  /** Resolves when the link has been closed. */
  readonly closed: Promise<void>;
  readonly #dialer: Dialer;
  readonly #isRemote: boolean;
  readonly #onError: (error: Error) => void;
  readonly #end = new AbortController();
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #interests = new Set<Interest>();
  #connection: NatsConnection | undefined;
  /** The last connection was given up although a server was there. */
  #wasMute = false;

  constructor(
    connection: NatsConnection,
    dialer: Dialer,
    onError: (error: Error) => void,
    isRemote: boolean,
  ) {
    this.#dialer = dialer;
    this.#isRemote = isRemote;
    this.#onError = onError;
    this.closed = this.#live(connection);
  }

  isConnected(): boolean {
    return this.#connection?.isClosed() === false;
  }

  onConnection(listener: (connected: boolean) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The connection of now, for one use. Throws `BusError` `disconnected` when there is none. */
  connection(): NatsConnection {
    if (this.#connection === undefined || this.#connection.isClosed())
      throw new BusError('disconnected', 'no connection to the bus');
    return this.#connection;
  }

  /** Outlives the connection. An error means that the server refused it. */
  subscribe(subject: string, handler: LinkHandler, queue?: string): Unsubscribe {
    const interest: Interest = { subject, queue, handler, current: undefined };
    this.#interests.add(interest);
    if (this.#connection !== undefined) begin(interest, this.#connection);
    return () => {
      this.#interests.delete(interest);
      interest.current?.unsubscribe();
    };
  }

  /** One answer. Rejects with `BusError`; at once when there is no connection or it is lost. */
  async request(
    subject: string,
    data: Uint8Array,
    timeoutMs: number,
    headers?: MsgHdrs,
  ): Promise<Msg> {
    try {
      return await this.connection().request(subject, data, {
        timeout: timeoutMs,
        ...(headers === undefined ? {} : { headers }),
      });
    } catch (error) {
      throw toBusError(error);
    }
  }

  /**
   * Answers of many, in the order that they come: `answersMax`, or as many as there are after `timeoutMs`; none is no
   * fault. Rejects with `BusError`.
   */
  async requestMany(
    subject: string,
    data: Uint8Array,
    answersMax: number,
    timeoutMs: number,
  ): Promise<readonly Msg[]> {
    const answers: Msg[] = [];
    try {
      const options = { strategy: 'count', maxMessages: answersMax, maxWait: timeoutMs } as const;
      for await (const answer of await this.connection().requestMany(subject, data, options))
        answers.push(answer);
    } catch (error) {
      const cause = toBusError(error);
      if (cause.code !== 'no-responder') throw cause;
    }
    return answers;
  }

  /** Servers to connect to from the next time on, as `host:port`. */
  setServers(servers: readonly string[]): void {
    this.#dialer.setServers(servers);
  }

  /** Connects anew. */
  async reconnect(): Promise<void> {
    await this.#connection?.close();
  }

  /** Ends the connection for good; what is in flight is rejected. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#connection?.close();
    await this.closed;
  }

  /** From one connection to the next, until the link is closed. */
  async #live(first: NatsConnection): Promise<void> {
    const { signal } = this.#end;
    this.#begin(first);
    for (let connection = first; ; ) {
      const error = await connection.closed();
      this.#connection = undefined;
      this.#tell(false);
      if (error instanceof Error && !signal.aborted) this.#onError(error);
      const pauseFirst = !this.#wasMute;
      this.#wasMute = false;
      try {
        connection = await this.#dialer.connect(signal, pauseFirst);
      } catch {
        // Only the signal ends the dialling.
        return;
      }
      this.#begin(connection);
      this.#tell(true);
    }
  }

  #begin(connection: NatsConnection): void {
    this.#connection = connection;
    void this.#follow(connection);
    if (this.#isRemote) void this.#watch(connection);
    for (const interest of this.#interests) begin(interest, connection);
  }

  async #watch(connection: NatsConnection): Promise<void> {
    await watchOver(
      connection,
      () => this.#dialer.servers,
      (server) => {
        this.#wasMute = true;
        this.#dialer.prefer(server);
        void connection.close();
      },
    );
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status())
      if (status.type === 'error') this.#onError(status.error);
  }

  #tell(connected: boolean): void {
    for (const listener of this.#listeners) listener(connected);
  }
}

function begin(interest: Interest, connection: NatsConnection): void {
  // Lost again already: the next one takes the subscription over.
  if (connection.isClosed()) return;
  const { subject, queue, handler } = interest;
  interest.current = connection.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    callback: handler,
  });
}

/**
 * Tries until the first connection is made; after that the link reconnects by itself. Rejects with the signal's reason
 * only. `onError` hears of every failed attempt and of what the server complains about.
 */
export async function connectLink(
  options: DialOptions,
  onError: (error: Error) => void,
  signal: AbortSignal = new AbortController().signal,
): Promise<Link> {
  const dialer = new Dialer(options, onError);
  const connection = await dialer.connect(signal, false);
  return new Link(connection, dialer, onError, options.isRemote === true);
}
