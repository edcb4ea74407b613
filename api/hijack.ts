import { type ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Deps } from './call.ts';
import { carry, isBulk } from './carry.ts';
import { describeError } from './errors.ts';
import { answerHeaders, hasOneLength, requestHeaders } from './headers.ts';
import { type BodyReader, bodyOf } from './hijack-body.ts';
import { parseTarget } from './path.ts';
import { isOwnPath } from './own-paths.ts';
import { pump, reread } from './pump.ts';
import { splitVersion } from './version.ts';

/** Calls after which the engine may speak raw bytes on the connection, with or without an `Upgrade` header. */
const hijacking = /^\/(?:containers\/.+\/attach|exec\/[^/]+\/start|session|grpc)$/s;

/**
 * A request as Node's server reads it, which decides by the path too whether the connection is to be taken over:
 * older clients send their standard input right behind a plain POST, and Node would read it as the next request.
 */
export class FrontRequest extends IncomingMessage {
  #isUpgrade = false;
  #decision: boolean | undefined;

  get upgrade(): boolean {
    this.#decision ??= this.#isTakenOver();
    return this.#decision;
  }
  set upgrade(value: boolean) {
    // Node's constructor sets it too, before this class has its fields
    if (#isUpgrade in this) this.#isUpgrade = value;
  }

  #isTakenOver(): boolean {
    const target = parseTarget(this.url ?? '');
    if (target.kind !== 'ok' || !hasOneLength(this)) return false;
    const { path } = splitVersion(target.path);
    if (isOwnPath(path)) return false;
    if (this.#isUpgrade) return true;
    return (this.method === 'POST' && hijacking.test(path)) || isBulk(this, path);
  }
}

/** Takes over a connection for a request that may be hijacked. `head`: what has been read behind the request's head. */
export function hijack(
  deps: Pick<Deps, 'engine'>,
  req: IncomingMessage,
  client: Socket,
  head: Buffer,
): void {
  client.setTimeout(0);
  const target = parseTarget(req.url ?? '');
  const path = target.kind === 'ok' ? target.raw : '/';
  if (target.kind === 'ok' && isBulk(req, splitVersion(target.path).path)) {
    carry(deps.engine, req, path, client, head, writeError);
    return;
  }
  const headers = requestHeaders(req);
  if (req.headers.upgrade !== undefined) {
    headers['connection'] = 'Upgrade';
    headers['upgrade'] = req.headers.upgrade;
  }
  delete headers['expect'];
  const toEngine = deps.engine.open({ method: req.method ?? '', path, headers });
  let isAnswered = false;
  const refuse = (error: unknown): void => {
    toEngine.destroy();
    if (isAnswered) client.destroy();
    else writeError(client, error);
    isAnswered = true;
  };
  const input = new ClientInput(client, toEngine, bodyOf(req), refuse);
  client.on('error', () => client.destroy());
  client.on('close', () => toEngine.destroy());
  toEngine.on('error', () => refuse(deps.engine.away()));
  toEngine.on('upgrade', (answer, socket, first) => {
    isAnswered = true;
    writeHead(client, answer, [
      'Connection',
      'Upgrade',
      'Upgrade',
      answer.headers.upgrade ?? 'tcp',
    ]);
    join(client, socket as Socket, input.release(), first);
  });
  toEngine.on('response', (answer) => {
    isAnswered = true;
    writeHead(client, answer, isRawStream(answer) ? [] : ['Connection', 'close']);
    if (isRawStream(answer)) joinAnswer(client, answer, input.release());
    else relayAnswer(client, answer, input);
  });
  toEngine.flushHeaders();
  if (req.headers.expect !== undefined) client.write('HTTP/1.1 100 Continue\r\n\r\n');
  input.start(head);
}

/**
 * Sends the request's body to the engine and holds back what comes behind it: that goes nowhere unless the engine
 * takes the connection over, so no second request can ride along.
 */
class ClientInput {
  readonly #client: Socket;
  readonly #toEngine: ClientRequest;
  readonly #body: BodyReader;
  readonly #refuse: (error: unknown) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(
    client: Socket,
    toEngine: ClientRequest,
    body: BodyReader,
    refuse: (error: unknown) => void,
  ) {
    this.#client = client;
    this.#toEngine = toEngine;
    this.#body = body;
    this.#refuse = refuse;
  }

  start(head: Buffer): void {
    this.#client.on('data', this.#onData).on('end', this.#onEnd);
    this.#toEngine.on('drain', this.#onDrain);
    this.#onData(head);
  }

  readonly #onDrain = (): void => {
    if (!this.#body.isDone) this.#client.resume();
  };
  readonly #onData = (data: Buffer): void => {
    try {
      const { body, rest } = this.#body.read(data);
      this.#rest = Buffer.concat([this.#rest, rest]);
      for (const piece of body) if (!this.#toEngine.write(piece)) this.#client.pause();
    } catch (error) {
      this.#refuse(error);
      return;
    }
    if (!this.#body.isDone) return;
    this.#client.pause();
    if (!this.#toEngine.writableEnded) this.#toEngine.end();
  };
  readonly #onEnd = (): void => {
    if (!this.#body.isDone) this.#client.destroy();
  };

  /** Ends the reading of a body; answers with what came behind it. */
  release(): Buffer {
    this.#client.off('data', this.#onData).off('end', this.#onEnd);
    this.#toEngine.off('drain', this.#onDrain);
    return this.#rest;
  }
}

/** Without an `Upgrade` header the engine answers 200 and raw bytes until the end of the connection. */
const isRawStream = (answer: IncomingMessage): boolean =>
  answer.statusCode === 200 &&
  answer.headers['content-length'] === undefined &&
  answer.headers['transfer-encoding'] === undefined &&
  /^application\/vnd\.docker\.(?:raw|multiplexed)-stream$/.test(
    answer.headers['content-type'] ?? '',
  );

/** Raw bytes both ways. The end of one direction is handed on; the other goes on. */
function join(client: Socket, engine: Socket, input: Buffer, output: Buffer): void {
  if (client.destroyed) {
    engine.destroy();
    return;
  }
  const toEngine = pump(
    () => fromClient,
    () => fromEngine,
  );
  const toClient = pump(
    () => fromEngine,
    () => fromClient,
  );
  const rests = [client, engine].map((socket) => (socket.pause().read() as Buffer | null) ?? none);
  const fromClient = reread(client, toEngine);
  const fromEngine = reread(engine, toClient);
  fromClient.on('error', () => fromClient.destroy()).on('end', () => fromEngine.end());
  fromEngine.on('error', () => fromEngine.destroy()).on('end', () => fromClient.end());
  for (const data of [input, rests[0] ?? none]) if (data.length > 0) fromEngine.write(data);
  for (const data of [output, rests[1] ?? none]) if (data.length > 0) fromClient.write(data);
  // nobody is there for the client's bytes any more; reading on shows when it ends
  fromEngine.on('close', () => fromClient.resume());
  fromClient.on('close', () => fromEngine.destroy());
  fromClient.resume();
  fromEngine.resume();
}
const none = Buffer.alloc(0);

/** The same where Node has begun to read the answer: it is a body without an end of its own. */
function joinAnswer(client: Socket, answer: IncomingMessage, input: Buffer): void {
  const { socket: toEngine } = answer;
  if (input.length > 0) toEngine.write(input);
  client.pipe(toEngine);
  answer.pipe(client);
  answer.on('error', () => client.destroy());
  toEngine.on('error', () => toEngine.destroy());
  toEngine.on('close', () => client.resume());
  client.on('close', () => toEngine.destroy());
}

/** An answer like any other. The connection cannot be used for another request, so it ends with it. */
function relayAnswer(client: Socket, answer: IncomingMessage, input: ClientInput): void {
  input.release();
  client.resume();
  answer.on('error', () => client.destroy());
  answer.pipe(client);
}

function writeHead(client: Socket, answer: IncomingMessage, more: readonly string[]): void {
  const headers = [...answerHeaders(answer), ...more];
  let head = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n`;
  for (let i = 0; i + 1 < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  client.write(`${head}\r\n`, 'latin1');
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  503: 'Service Unavailable',
};

function writeError(client: Socket, error: unknown): void {
  const { status, message } = describeError(error);
  const body = `${JSON.stringify({ message })}\n`;
  client.end(
    `HTTP/1.1 ${status} ${reasons[status] ?? ''}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  client.resume();
}
