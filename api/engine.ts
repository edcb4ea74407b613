import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { limits } from '../domain/limits.ts';
import { HttpError } from './errors.ts';

export interface EngineRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly signal?: AbortSignal;
  /** A connection that is there already may be used. Only for what may be asked again, for the engine may close it. */
  readonly reuse?: boolean;
}

/** Asks nothing but an answer: without a body, and the same when it is asked twice. */
export const isRepeatable = (method: string): boolean => method === 'GET' || method === 'HEAD';

/** Node's options for a socket go through to its stream; the types do not know. */
interface Buffered {
  readonly highWaterMark: number;
}
type AgentOptions = ConstructorParameters<typeof Agent>[0] & Buffered;
type ConnectOptions = NetConnectOpts & Buffered;

/** The container engine behind the front, by HTTP on its Unix socket. */
export class EngineClient {
  readonly socketPath: string;
  readonly #idle: Agent;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
    const options = { keepAlive: true, maxFreeSockets: limits.engineConnectionsMax, socketPath };
    this.#idle = new Agent({ ...options, highWaterMark: limits.streamBufferBytes } as AgentOptions);
  }

  /**
   * Begins a request. With a body, or where the connection may be taken over, it has one of its own: nothing then
   * depends on when the engine drops idle ones, and a hijacked one is nobody else's. Half-open: the end of one
   * direction leaves the other as it is.
   */
  open(options: EngineRequest): ClientRequest {
    const { method, path, headers = {}, signal, reuse = false } = options;
    const connection = reuse
      ? { agent: this.#idle, socketPath: this.socketPath }
      : { createConnection: () => this.#connect() };
    return request({
      method,
      path,
      // Asked to close, the engine would do so as soon as it has answered, perhaps while the end of the body is still
      // being written, and that error would hide the answer. The connection ends with its answer in any case.
      headers: { host: 'docker', connection: 'keep-alive', ...headers },
      ...connection,
      maxHeaderSize: limits.requestHeaderBytesMax,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  #connect(): Socket {
    const path = this.socketPath;
    const socket = connect({
      path,
      allowHalfOpen: true,
      highWaterMark: limits.streamBufferBytes,
    } as ConnectOptions);
    // after the answer, unless the connection was taken over
    return socket.on('free', () => socket.destroy());
  }

  /** Sends a request without a body; resolves with the head of the answer. Throws `away` when there is none. */
  fetch(options: EngineRequest): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const ask = (reuse: boolean): void => {
        const toEngine = this.open({ ...options, reuse });
        toEngine.on('response', resolve).end();
        toEngine.on('error', () => {
          if (toEngine.reusedSocket) ask(false);
          else reject(this.away());
        });
      };
      ask(isRepeatable(options.method));
    });
  }

  /** GETs JSON. Throws `away`, or an `HttpError` with the engine's own status and message. */
  async json(path: string, signal?: AbortSignal): Promise<unknown> {
    const answer = await this.fetch({ method: 'GET', path, ...(signal && { signal }) });
    const body = await this.read(answer);
    if (answer.statusCode !== 200)
      throw new HttpError(answer.statusCode ?? 500, messageOf(body.toString()));
    return JSON.parse(body.toString()) as unknown;
  }

  /** The whole body of an answer, at most `limits.engineAnswerBytesMax`. */
  async read(answer: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > limits.engineAnswerBytesMax) break;
        chunks.push(chunk);
      }
    } catch {
      // cut off in the middle of the answer
      throw this.away();
    }
    if (size > limits.engineAnswerBytesMax)
      throw new HttpError(500, "the engine's answer is too large");
    return Buffer.concat(chunks);
  }

  /** Ends the connections that wait for a question. */
  close(): void {
    this.#idle.destroy();
  }

  away(): HttpError {
    return new HttpError(
      503,
      `Cannot connect to the Docker Engine at unix://${this.socketPath}. Is it running?`,
    );
  }
}

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { message: string }).message;
  } catch {
    return body;
  }
}
