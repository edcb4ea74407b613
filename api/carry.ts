import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { answerHead } from './answer-head.ts';
import type { EngineClient } from './engine.ts';
import { hasBody, requestHeaders } from './headers.ts';
import { type BodyReader, bodyOf, ChunkedBody } from './hijack-body.ts';
import { pump, reread, type Write } from './pump.ts';

const download = /^\/(?:images\/(?:.+\/)?get|containers\/[^/]+\/(?:export|archive))$/s;
const upload = /^(?:POST \/(?:images\/(?:load|create)|build)|PUT \/containers\/[^/]+\/archive)$/;

/** Whether a request or its answer is as large as images and containers. */
export function isBulk(req: IncomingMessage, path: string): boolean {
  const { method, httpVersion, headers } = req;
  if (httpVersion !== '1.1' || headers.upgrade !== undefined || headers.expect !== undefined)
    return false;
  return hasBody(req) ? upload.test(`${method} ${path}`) : method === 'GET' && download.test(path);
}

/** Tells the client that there is no answer. */
type Refuse = (client: Socket, error: unknown) => void;

/**
 * Takes a request and its answer from one connection to the other, without a look at more than where they end. Both
 * connections end with the answer. `first`: what has been read behind the request's head. An answer that is cut off
 * shows by its own framing.
 */
export function carry(
  engine: EngineClient,
  req: IncomingMessage,
  path: string,
  client: Socket,
  first: Buffer,
  refuse: Refuse,
): void {
  new Carriage(engine, req, client, refuse).begin(requestHead(req, path), first);
}

class Carriage {
  readonly #engine: EngineClient;
  readonly #refuse: Refuse;
  readonly #toEngine: Socket;
  readonly #toClient: Socket;
  /** Hands over bytes of the request's body. */
  readonly #send: (data: Buffer) => boolean;
  /** Of the answer, while it is not whole. */
  #head: Buffer | undefined = Buffer.alloc(0);
  /** Of the answer's body; undefined where that ends with the connection. */
  #framing: BodyReader | undefined;
  #isOver = false;

  constructor(engine: EngineClient, req: IncomingMessage, client: Socket, refuse: Refuse) {
    this.#engine = engine;
    this.#refuse = refuse;
    const toEngine = (): Socket => this.#toEngine;
    const toClient = (): Socket => this.#toClient;
    const away = (): unknown => engine.away();
    const onAnswer = this.#guard((data, sent) => this.#takeAnswer(data, sent), away);
    const onBody = this.#guard(bodyWriter(req, toEngine), (error) => error);
    const body = pump(toClient, toEngine, onBody);
    this.#send = body.send;
    this.#toEngine = connect({
      path: engine.socketPath,
      onread: pump(toEngine, toClient, onAnswer),
    });
    this.#toClient = reread(client, body);
  }

  begin(head: string, first: Buffer): void {
    const [toEngine, toClient] = [this.#toEngine, this.#toClient];
    toEngine.on('error', () => this.#fail(this.#engine.away()));
    toEngine.on('end', () => this.#onEnd());
    toClient.on('error', () => toClient.destroy()).on('end', () => toClient.destroy());
    toClient.on('close', () => toEngine.destroy());
    toEngine.resume().write(head, 'latin1');
    this.#send(first);
    toClient.resume();
  }

  #guard(take: Write, asError: (error: unknown) => unknown): Write {
    return (data, sent) => {
      if (this.#isOver) return;
      try {
        take(data, sent);
      } catch (error) {
        this.#fail(asError(error));
      }
    };
  }

  #takeAnswer(data: Buffer, sent: () => void): void {
    let body = data;
    if (this.#head !== undefined) {
      const begun = Buffer.concat([this.#head, data]);
      this.#head = begun;
      const read = answerHead(begun);
      if (read === undefined) return;
      this.#toClient.write(read.text, 'latin1');
      this.#framing = read.body;
      this.#head = undefined;
      body = begun.subarray(read.length);
    }
    this.#framing?.read(body);
    if (body.length > 0) this.#toClient.write(body, sent);
    if (this.#framing?.isDone === true) this.#finish();
  }

  #onEnd(): void {
    if (this.#head === undefined && this.#framing === undefined) this.#finish();
    else this.#fail(this.#engine.away());
  }

  /** What is left of a body that the engine does not want is read and dropped. */
  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#toEngine.destroy();
    this.#toClient.end();
    this.#toClient.resume();
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#toEngine.destroy();
    if (this.#head === undefined) this.#toClient.destroy();
    else this.#refuse(this.#toClient, error);
  }
}

const lineEnd = Buffer.from('\r\n');

/** Sends what it is given as the request's body, up to its end; in chunks of its own where the client sends chunks. */
function bodyWriter(req: IncomingMessage, to: () => Socket): Write {
  const body = bodyOf(req);
  const isChunked = body instanceof ChunkedBody;
  return (data, sent) => {
    if (body.isDone) return;
    const pieces = body.read(data).body;
    const size = pieces.reduce((sum, { length }) => sum + length, 0);
    const parts = [...pieces];
    if (isChunked && size > 0) parts.unshift(Buffer.from(`${size.toString(16)}\r\n`));
    if (isChunked && size > 0) parts.push(lineEnd);
    if (isChunked && body.isDone) parts.push(Buffer.from(`0\r\n${body.trailers}\r\n`, 'latin1'));
    to().cork();
    for (const [i, part] of parts.entries())
      to().write(part, i === parts.length - 1 ? sent : undefined);
    to().uncork();
  };
}

/** Node's parser lets neither a space nor a line's end into a target or a value. */
function requestHead(req: IncomingMessage, path: string): string {
  const fields = Object.entries(requestHeaders(req)).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}: ${one}`),
  );
  return [`${req.method} ${path} HTTP/1.1`, 'host: docker', ...fields, '', ''].join('\r\n');
}
