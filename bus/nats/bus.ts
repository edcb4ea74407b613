import { headers, type Msg, type MsgHdrs } from 'nats';
import {
  CodecError,
  decodeBody,
  type Encoding,
  encodeBody,
  encodingHeader,
  encodingOf,
} from '../codec.ts';
import { encodeAnswer, encodeMessage } from '../message.ts';
import {
  type Bus,
  BusError,
  type BusMessage,
  type SubscribeOptions,
  type Unsubscribe,
} from '../ports.ts';
import type { WireFault } from '../protocol.ts';
import { subjects } from '../subjects.ts';
import { toBusError } from './errors.ts';
import { connectLink, type Link, type LinkOptions } from './link.ts';

export interface BusOptions extends LinkOptions {
  /**
   * Told of what nobody waits for: failed attempts to connect, refusals by the server, unreadable messages, handlers
   * that threw. `subject` is '' where there is none.
   */
  readonly onError: (error: Error, subject: string) => void;
  /** Gives up the first connection; afterwards it does nothing. */
  readonly signal?: AbortSignal;
}

export interface BusConnection extends Bus {
  /** Managers to connect to from the next reconnect on, as `host:port`. */
  setServers(servers: readonly string[]): void;
  /** Connects anew, with the certificate of now. */
  reconnect(): Promise<void>;
  close(): Promise<void>;
}

/** Resolves once the first connection is made; rejects with the signal's reason only. */
export async function connectBus(options: BusOptions): Promise<BusConnection> {
  const onError = (error: Error): void => options.onError(error, '');
  const link = await connectLink(options, onError, options.signal);
  return new NatsBus(link, options.onError);
}

class NatsBus implements BusConnection {
  readonly #link: Link;
  readonly #onError: BusOptions['onError'];

  constructor(link: Link, onError: BusOptions['onError']) {
    this.#link = link;
    this.#onError = onError;
  }

  publish(subject: string, body: unknown): void {
    const data = encodeMessage(subject, body, 'msgpack');
    if (this.#link.isConnected())
      this.#link.connection().publish(subject, data, { headers: msgpackHeader() });
  }

  async request(subject: string, body: unknown, timeoutMs: number): Promise<unknown> {
    const data = encodeMessage(subject, body, 'msgpack');
    return decodeMessage(await this.#link.request(subject, data, timeoutMs, msgpackHeader()));
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    { queue, admits, bytesMax }: SubscribeOptions = {},
  ): Unsubscribe {
    return this.#link.subscribe(
      subject,
      (error, message) => {
        if (error !== null) this.#onError(toBusError(error), subject);
        else if (admits?.(message.subject, sizeOf(message)) !== false)
          this.#deliver(message, handler, bytesMax);
      },
      queue,
    );
  }

  async flush(): Promise<void> {
    try {
      await this.#link.connection().flush();
    } catch (error) {
      throw toBusError(error);
    }
  }

  isConnected(): boolean {
    return this.#link.isConnected();
  }

  onConnection(listener: (connected: boolean) => void): Unsubscribe {
    return this.#link.onConnection(listener);
  }

  setServers(servers: readonly string[]): void {
    this.#link.setServers(servers);
  }

  reconnect(): Promise<void> {
    return this.#link.reconnect();
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  /** An error must not get into the library: it would stop reading from the connection. */
  #deliver(message: Msg, handler: (message: BusMessage) => void, bytesMax?: number): void {
    try {
      requireAnswerable(message);
      handler(this.#read(message, bytesMax));
    } catch (error) {
      this.#onError(error as Error, message.subject);
      if (error instanceof CodecError) refuse(message, error);
    }
  }

  #read(message: Msg, bytesMax?: number): BusMessage {
    // its headers, too, are read only where they are short
    if (bytesMax !== undefined && sizeOf(message) > bytesMax) throw tooLarge(bytesMax);
    const encoding = encodingOfMessage(message);
    const plain = { subject: message.subject, body: decodeBody(message.data, encoding) };
    if (!isRequest(message)) return plain;
    const headersOut = encoding === 'msgpack' ? { headers: msgpackHeader() } : {};
    const onError = (error: Error): void => this.#onError(error, message.subject);
    const reply = (body: unknown): void => {
      try {
        message.respond(encodeAnswer(message.subject, body, encoding, onError), headersOut);
      } catch (error) {
        onError(error as Error);
      }
    };
    return { ...plain, reply };
  }
}

/** Subject, reply, headers and body: all that a sender has a say in. */
const sizeOf = (message: Msg): number => (message as Msg & { size(): number }).size();

const isRequest = ({ reply }: Msg): boolean => reply !== undefined && reply !== '';

/** Throws for a request whose answer is wanted where its sender may not listen. */
function requireAnswerable(message: Msg): void {
  const { subject, reply = '' } = message;
  if (isRequest(message) && !subjects.mayAnswer(subject, reply))
    throw new BusError('refused', `an answer is wanted at ${reply.slice(0, 100)}`);
}

/** Who sent a request that nobody can read is told so, in JSON, which everybody reads. */
function refuse(message: Msg, { message: reason }: CodecError): void {
  if (!isRequest(message)) return;
  const error: WireFault = {
    code: 'InvalidArgument',
    message: `unreadable body: ${reason}`,
    origin: 'manager',
  };
  message.respond(encodeBody({ ok: false, error }, 'json'));
}

function decodeMessage(message: Msg): unknown {
  try {
    return decodeBody(message.data, encodingOfMessage(message));
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new BusError('refused', `unreadable answer: ${error.message}`);
  }
}

const tooLarge = (bytesMax: number): CodecError =>
  new CodecError('too-large', `with its headers it may have ${bytesMax} bytes at most`);

const encodingOfMessage = (message: Msg): Encoding =>
  encodingOf(message.headers?.get(encodingHeader));

/** A new one each time: the library may add to it. */
function msgpackHeader(): MsgHdrs {
  const header = headers();
  header.set(encodingHeader, 'msgpack');
  return header;
}
