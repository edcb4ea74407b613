import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { limits } from '../domain/limits.ts';
import { HttpError } from './errors.ts';

export interface EngineRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly signal?: AbortSignal;
}

/** The container engine behind the front, by HTTP on its Unix socket. */
export class EngineClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /**
   * Begins a request. Each has a connection of its own: nothing then depends on when the engine drops idle ones, and
   * a hijacked one is nobody else's. Half-open: the end of one direction leaves the other as it is.
   */
  open(options: EngineRequest): ClientRequest {
    const { method, path, headers = {}, signal } = options;
    return request({
      method,
      path,
      // Asked to close, the engine would do so as soon as it has answered, perhaps while the end of the body is still
      // being written, and that error would hide the answer. The connection ends with its answer in any case.
      headers: { host: 'docker', connection: 'keep-alive', ...headers },
      createConnection: () => this.#connect(),
      maxHeaderSize: limits.requestHeaderBytesMax,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  #connect(): Socket {
    const socket = connect({ path: this.#socketPath, allowHalfOpen: true });
    // after the answer, unless the connection was taken over
    return socket.on('free', () => socket.destroy());
  }

  /** Sends a request without a body; resolves with the head of the answer. Throws `away` when there is none. */
  async fetch(options: EngineRequest): Promise<IncomingMessage> {
    try {
      return await new Promise<IncomingMessage>((resolve, reject) => {
        this.open(options).on('response', resolve).on('error', reject).end();
      });
    } catch {
      throw this.away();
    }
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
      throw this.away();
    }
    if (size > limits.engineAnswerBytesMax)
      throw new HttpError(500, "the engine's answer is too large");
    return Buffer.concat(chunks);
  }

  away(): HttpError {
    return new HttpError(
      503,
      `Cannot connect to the Docker Engine at unix://${this.#socketPath}. Is it running?`,
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
