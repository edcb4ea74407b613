import { setTimeout as sleep } from 'node:timers/promises';
import { connect, errors, type Msg, type MsgHdrs, type NatsConnection } from 'nats';
import type { NKey } from '../../pki/mod.ts';
import { BusError, type Unsubscribe } from '../ports.ts';
import { toBusError } from './errors.ts';
import { Pace } from './pace.ts';
import { authenticatorOf } from './users.ts';

/** PEM texts of a node's identity and of the roots it trusts. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface LinkOptions {
  /** `host:port` of each manager's bus. */
  readonly servers: readonly string[];
  /** Shown in the server's connection lists. */
  readonly name: string;
  /** Asked again for each connection made, so a renewed certificate is used from the next reconnect on. */
  readonly tls: () => TlsMaterial;
  /** One of this daemon's own users of its own server; without, the certificate says who this is. */
  readonly user?: NKey;
  /** Answers to requests arrive on subjects below it; a node may use only its own. */
  readonly inboxPrefix?: string;
  /** For one attempt to connect; 10 s unless given. */
  readonly connectTimeoutMs?: number;
}

/** DNS name in every manager's certificate: whatever address is dialled, only a manager answers as server. */
const serverName = 'swarm-manager';
/** Long, since giving up early while thousands connect at once only makes more work. */
const connectTimeoutMs = 10_000;
/** The library's own pause between attempts; `Pace` adds to it. */
const libraryPauseMs = 1;
/** A server that went away without a word is noticed after at most three of these. */
const pingIntervalMs = 5_000;

/** One connection to the bus that reconnects for ever, with what the client library leaves out. */
export class Link {
  readonly nc: NatsConnection;
  /** Resolves when the connection is closed for good. */
  readonly closed: Promise<void>;
  #connected = true;
  readonly #listeners = new Set<(connected: boolean) => void>();
  /** Rejects what is in flight when the connection is lost; the library would let it run into its timeout. */
  readonly #inFlight = new Set<(error: BusError) => void>();

  constructor(nc: NatsConnection, pace: Pace, onError: (error: Error) => void) {
    this.nc = nc;
    this.onConnection((connected) => connected && pace.reset());
    this.closed = nc.closed().then((error) => {
      this.#setConnected(false);
      if (error instanceof Error) onError(error);
    });
    void this.#follow(onError);
  }

  isConnected(): boolean {
    return this.#connected;
  }

  onConnection(listener: (connected: boolean) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** One answer. Rejects with `BusError`; at once when there is no connection or it is lost. */
  async request(
    subject: string,
    data: Uint8Array,
    timeoutMs: number,
    headers?: MsgHdrs,
  ): Promise<Msg> {
    try {
      return await this.whileConnected(() =>
        this.nc.request(subject, data, {
          timeout: timeoutMs,
          ...(headers === undefined ? {} : { headers }),
        }),
      );
    } catch (error) {
      throw toBusError(error);
    }
  }

  /** Rejects with `BusError` as soon as the connection is lost; what `start` gives otherwise. */
  async whileConnected<T>(start: () => Promise<T>): Promise<T> {
    if (!this.#connected) throw new BusError('disconnected', 'no connection to the bus');
    let lose: (error: BusError) => void = () => {};
    const lost = new Promise<never>((_, reject) => {
      lose = reject;
    });
    this.#inFlight.add(lose);
    try {
      return await Promise.race([start(), lost]);
    } finally {
      this.#inFlight.delete(lose);
    }
  }

  /** Ends the connection; what is in flight is rejected. */
  close(): Promise<void> {
    return this.nc.close();
  }

  async #follow(onError: (error: Error) => void): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type === 'disconnect') this.#setConnected(false);
      else if (status.type === 'reconnect') this.#setConnected(true);
      else if (status.type === 'error') onError(status.error);
    }
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    if (!connected) {
      const error = new BusError('disconnected', 'the connection to the bus was lost');
      for (const lose of this.#inFlight) lose(error);
    }
    for (const listener of this.#listeners) listener(connected);
  }
}

/**
 * Tries until the first connection is made; after that the link reconnects by itself. Rejects with the signal's reason
 * only. `onError` hears of every failed attempt and of what the server complains about.
 */
export async function connectLink(
  options: LinkOptions,
  onError: (error: Error) => void,
  signal?: AbortSignal,
): Promise<Link> {
  const pace = new Pace(options.user !== undefined);
  let silent = false;
  for (pace.start(); ; ) {
    signal?.throwIfAborted();
    try {
      return new Link(await attempt(options, pace, silent, signal), pace, onError);
    } catch (error) {
      signal?.throwIfAborted();
      onError(error as Error);
      // Somebody holds the line without a word. The library forgets the socket of such an attempt, so that each
      // further one would cost another; in a loop of its own it closes them.
      silent = error instanceof errors.TimeoutError;
    }
    // Aborted, it rejects with an error of its own; the loop throws the signal's.
    await sleep(pace.next(), undefined, signal === undefined ? {} : { signal }).catch(() => {});
  }
}

/** One attempt, or as many as it takes; given up at once by the signal. A connection that comes later is closed. */
async function attempt(
  options: LinkOptions,
  pace: Pace,
  untilConnected: boolean,
  signal: AbortSignal | undefined,
): Promise<NatsConnection> {
  const connecting = dial(options, pace, untilConnected, signal);
  if (signal === undefined) return connecting;
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([connecting, aborted]);
  } catch (error) {
    connecting.then(
      (late) => late.close(),
      () => {},
    );
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function dial(
  options: LinkOptions,
  pace: Pace,
  untilConnected: boolean,
  signal: AbortSignal | undefined,
): Promise<NatsConnection> {
  let connected = false;
  const connection = await connect({
    servers: [...options.servers],
    name: options.name,
    tls: tlsOptions(options.tls),
    ...(options.user === undefined ? {} : { authenticator: authenticatorOf(options.user) }),
    ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
    timeout: options.connectTimeoutMs ?? connectTimeoutMs,
    maxReconnectAttempts: -1,
    waitOnFirstConnect: untilConnected,
    reconnectDelayHandler: () => libraryPauseMs,
    reconnectToServer: ([next]) => {
      // The documented way to end the library's loop before it has connected.
      if (!connected) signal?.throwIfAborted();
      const isFirst = !connected && !untilConnected;
      return next === undefined || isFirst ? null : { server: next, delay: pace.next() };
    },
    // A manager that cannot ask anybody yet refuses too; giving up then would be for ever.
    ignoreAuthErrorAbort: true,
    // Which managers there are is the cluster's to say, not one server's.
    ignoreClusterUpdates: true,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    noAsyncTraces: true,
  });
  connected = true;
  return connection;
}

/** Getters, because the library reads the fields anew for each connection; it hands `servername` on to node:tls. */
function tlsOptions(material: () => TlsMaterial): TlsMaterial & { readonly servername: string } {
  return {
    servername: serverName,
    get cert() {
      return material().cert;
    },
    get key() {
      return material().key;
    },
    get ca() {
      return material().ca;
    },
  };
}
