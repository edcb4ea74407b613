import type { Socket } from 'node:net';
import { connect, errors, type NatsConnection } from 'nats';
import type { NKey } from '../../pki/mod.ts';
import { pause, systemClock } from '../../supervisors/clock.ts';
import { Pace } from './pace.ts';
import { authenticatorOf } from './users.ts';
import { joinWrites } from './write-joint.ts';

/** PEM texts of a node's identity and of the roots it trusts. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface DialOptions {
  /** `host:port` of each manager's bus. */
  readonly servers: readonly string[];
  /** Shown in the server's connection lists. */
  readonly name: string;
  /** Asked again for each connection, so that a renewed certificate is used from the next one on. */
  readonly tls: () => TlsMaterial;
  /** One of this daemon's own users of its own server; without, the certificate says who this is. */
  readonly user?: NKey;
  /** Answers to requests arrive on subjects below it; a node may use only its own. */
  readonly inboxPrefix?: string;
  /** The server is in another network: a connection that stays mute is made anew before it is given up. */
  readonly isRemote?: boolean;
  /** For one attempt to connect; 10 s unless given. */
  readonly connectTimeoutMs?: number;
}

/** DNS name in every manager's certificate: whatever address is dialled, only a manager answers as server. */
const serverName = 'swarm-manager';
/** Long, since giving up early while thousands connect at once only makes more work. */
const connectTimeoutMs = 10_000;
/** A server that went away without a word is noticed after at most three of these. */
const pingIntervalMs = 5_000;

/**
 * Makes connections, one server after the other until one succeeds. The client library's own reconnecting is not used:
 * an attempt whose socket was closed would wait for its timeout, and say nothing of the reason.
 */
export class Dialer {
  readonly #options: DialOptions;
  readonly #onError: (error: Error) => void;
  readonly #pace: Pace;
  #servers: readonly string[];
  /** The server to try next; nodes begin at different ones. */
  #next = Math.floor(Math.random() * 1_000);

  /** `onError` hears of every failed attempt. */
  constructor(options: DialOptions, onError: (error: Error) => void) {
    this.#options = options;
    this.#onError = onError;
    this.#servers = options.servers;
    this.#pace = new Pace(options.user !== undefined);
  }

  setServers(servers: readonly string[]): void {
    this.#servers = servers;
  }

  get servers(): readonly string[] {
    return this.#servers;
  }

  /** Begins with this server the next time. */
  prefer(server: string): void {
    const index = this.#servers.indexOf(server);
    if (index >= 0) this.#next = index;
  }

  /** Rejects with the signal's reason only. `pauseFirst`: others lost their connection at the same time. */
  async connect(signal: AbortSignal, pauseFirst: boolean): Promise<NatsConnection> {
    if (pauseFirst) await pause(systemClock, this.#pace.next(), signal);
    else this.#pace.start();
    for (let silent = false; ; ) {
      signal.throwIfAborted();
      try {
        const connection = await this.#attempt(silent, signal);
        this.#pace.reset();
        const socket = socketOf(connection);
        keepErrorsHeard(socket);
        joinWrites(socket);
        return connection;
      } catch (error) {
        signal.throwIfAborted();
        this.#onError(error as Error);
        // Somebody holds the line without a word. The library forgets the socket of such an attempt, so that each
        // further one would cost another; in a loop of its own it closes them.
        silent = error instanceof errors.TimeoutError;
      }
      await pause(systemClock, this.#pace.next(), signal);
    }
  }

  /** One attempt, or as many as it takes; given up at once by the signal. A connection that comes later is closed. */
  async #attempt(untilConnected: boolean, signal: AbortSignal): Promise<NatsConnection> {
    const connecting = this.#dial(untilConnected, signal);
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

  #dial(untilConnected: boolean, signal: AbortSignal): Promise<NatsConnection> {
    const { name, tls, user, inboxPrefix } = this.#options;
    const server = this.#servers[this.#next++ % this.#servers.length];
    return connect({
      servers: untilConnected || server === undefined ? [...this.#servers] : server,
      name,
      tls: tlsOptions(tls),
      ...(user === undefined ? {} : { authenticator: authenticatorOf(user) }),
      ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
      timeout: this.#options.connectTimeoutMs ?? connectTimeoutMs,
      reconnect: false,
      waitOnFirstConnect: untilConnected,
      reconnectDelayHandler: () => 1,
      reconnectToServer: ([next]) => {
        // The documented way to end the library's loop before it has connected.
        signal.throwIfAborted();
        return next === undefined || !untilConnected
          ? null
          : { server: next, delay: this.#pace.next() };
      },
      // Which managers there are is the cluster's to say, not one server's.
      ignoreClusterUpdates: true,
      ignoreAuthErrorAbort: true,
      pingInterval: pingIntervalMs,
      maxPingOut: 2,
      noAsyncTraces: true,
    });
  }
}

/** The library hands `servername` on to node:tls, though its types do not say so. */
function tlsOptions(material: () => TlsMaterial): TlsMaterial & { readonly servername: string } {
  return {
    servername: serverName,
    // Getters, because the library reads them anew for each attempt.
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

/** The library has it, though its types do not say so. */
function socketOf(connection: NatsConnection): Socket {
  const { protocol } = connection as unknown as {
    readonly protocol: { readonly transport: { readonly socket: Socket } };
  };
  return protocol.transport.socket;
}

/**
 * The library takes its listeners off a socket that it is about to close. A write to that socket may just then have failed,
 * and an 'error' that nobody hears would end the process.
 */
function keepErrorsHeard(socket: Socket): void {
  const removeAllListeners = socket.removeAllListeners.bind(socket);
  socket.removeAllListeners = (event) => {
    removeAllListeners(event);
    // the library fails on the read, or by its heartbeat
    return socket.on('error', () => {});
  };
}
