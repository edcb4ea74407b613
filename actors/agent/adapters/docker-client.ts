import { Agent, type IncomingMessage } from 'node:http';
import { inspect } from 'node:util';
import Docker from 'dockerode';
import { limits } from '../../../domain/limits.ts';
import { engineError, replyError } from './docker-errors.ts';

/** The engine's API version that natswarm speaks: Docker 28.0's. */
const apiVersion = 'v1.48';

export interface Call {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** Without the version. Parts that come from outside are escaped by the caller (`segment`). */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly body?: object;
  /** Value of X-Registry-Auth. */
  readonly registryAuth?: string;
  /** May last long (a stop, a pull, a stream): takes none of the connections for short calls. */
  readonly patient?: boolean;
  /** Aborting cuts the connection. Left out where the engine must not be interrupted half-way. */
  readonly scope?: AbortSignal;
}

/** An answer as it comes. Leaving the loop over it early cuts the connection. */
export interface Stream extends AsyncIterable<Buffer> {
  readonly headers: { readonly 'content-type'?: string | undefined };
}

export interface Client {
  /** The answer's JSON; undefined where there is none. */
  request(call: Call): Promise<unknown>;
  open(call: Call): Promise<Stream>;
}

/**
 * Calls of the engine's API. It uses dockerode's connection layer in stream form and reads bodies itself: in
 * docker-modem's own reading a body that is cut off (the engine dies) neither resolves nor rejects, ever.
 * Every rejection is an `EngineError`.
 */
export class EngineClient implements Client {
  readonly #quick: Docker;
  readonly #patient: Docker;

  constructor(socketPath: string, scope: AbortSignal) {
    this.#quick = connect(socketPath, limits.engineConnectionsMax, scope);
    this.#patient = connect(socketPath, limits.engineStreamsMax, scope);
  }

  async request(call: Call): Promise<unknown> {
    const response = await this.#dial(call);
    const text = await textOf(response, call.scope);
    const status = response.statusCode ?? 0;
    if (status >= 400) throw replyError(status, text);
    return parse(text);
  }

  async open(call: Call): Promise<Stream> {
    const response = await this.#dial({ ...call, patient: true });
    const status = response.statusCode ?? 0;
    if (status >= 400) throw replyError(status, await textOf(response, call.scope));
    return response;
  }

  #dial(call: Call): Promise<IncomingMessage> {
    const { modem } = call.patient === true ? this.#patient : this.#quick;
    const options = {
      path: `${call.path}?`,
      method: call.method ?? 'GET',
      isStream: true,
      statusCodes: anyStatus,
      options: { _query: call.query ?? {}, _body: call.body ?? {} },
      ...(call.registryAuth === undefined ? {} : { authconfig: { base64: call.registryAuth } }),
      ...(call.scope === undefined ? {} : { abortSignal: call.scope }),
    };
    return new Promise((resolve, reject) => {
      modem.dial(options, (error, response) => {
        if (error === null) resolve(response as IncomingMessage);
        else reject(engineError(error, call.scope));
      });
    });
  }
}

/** docker-modem words errors its own way; with every status welcome, the engine's text is ours to read. */
const anyStatus: Readonly<Record<number, true>> = Object.fromEntries(
  Array.from({ length: 500 }, (_, i) => [i + 100, true] as const),
);

/**
 * docker-modem renders the options of every request, to any depth, for a debug log that is off: with a plain agent
 * and its sockets among them that costs 25 ms a request.
 */
class QuietAgent extends Agent {
  [inspect.custom](): string {
    return 'Agent';
  }
}

function connect(socketPath: string, connectionsMax: number, scope: AbortSignal): Docker {
  const agent = new QuietAgent({
    keepAlive: true,
    maxSockets: connectionsMax,
    maxFreeSockets: Math.min(connectionsMax, limits.engineConnectionsMax),
  });
  scope.addEventListener('abort', () => agent.destroy(), { once: true });
  // What is undefined here would otherwise come from DOCKER_HOST and its kin. The types know no `agent`.
  const options: Docker.DockerOptions & { readonly agent: Agent } = {
    socketPath,
    agent,
    version: apiVersion,
    protocol: 'http',
    host: undefined,
    timeout: undefined,
  };
  return new Docker(options);
}

async function textOf(response: IncomingMessage, scope?: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch (error) {
    throw engineError(error, scope);
  }
  return Buffer.concat(chunks).toString();
}

function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text; // `_ping` says OK
  }
}

/** Escapes one part of a path. */
export const segment = (text: string): string => encodeURIComponent(text);

/** The lines of a stream of JSON objects. Errors are the stream's own. */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield line;
  }
}
