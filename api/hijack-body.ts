import type { IncomingMessage } from 'node:http';
import { HttpError } from './errors.ts';

/** What a piece of input brought: bytes of the body, and what lies behind its end. */
export interface BodyPiece {
  readonly body: readonly Buffer[];
  readonly rest: Buffer;
}

/** Finds the end of a request's body on a connection that no HTTP parser reads any more. */
export interface BodyReader {
  readonly isDone: boolean;
  /** Throws `HttpError` 400 for input that is no body. After the end everything is `rest`. */
  read(input: Buffer): BodyPiece;
}

/** A body of `length` bytes. */
export class SizedBody implements BodyReader {
  #left: number;
  constructor(length: number) {
    this.#left = length;
  }
  get isDone(): boolean {
    return this.#left === 0;
  }
  read(input: Buffer): BodyPiece {
    const size = Math.min(this.#left, input.length);
    this.#left -= size;
    return { body: size === 0 ? [] : [input.subarray(0, size)], rest: input.subarray(size) };
  }
}

const lineBytesMax = 4_096;
const newline = 10;

/** A header or a trailer, without what could be read as another line. */
export const fieldLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*$/;

/** A chunked body (RFC 9112 §7.1). */
export class ChunkedBody implements BodyReader {
  /** The lines behind the last chunk, each with its end; complete when the body is done. */
  trailers = '';
  #line = Buffer.alloc(0);
  #left = 0;
  #state: 'size' | 'data' | 'after-data' | 'trailers' | 'done' = 'size';

  get isDone(): boolean {
    return this.#state === 'done';
  }

  read(input: Buffer): BodyPiece {
    const body: Buffer[] = [];
    let rest = input;
    while (rest.length > 0 && this.#state !== 'done') {
      if (this.#state === 'data') {
        const size = Math.min(this.#left, rest.length);
        body.push(rest.subarray(0, size));
        rest = rest.subarray(size);
        this.#left -= size;
        if (this.#left === 0) this.#state = 'after-data';
      } else {
        const end = rest.indexOf(newline) + 1;
        this.#line = Buffer.concat([this.#line, end === 0 ? rest : rest.subarray(0, end)]);
        if (this.#line.length > lineBytesMax) throw malformed();
        rest = rest.subarray(end === 0 ? rest.length : end);
        if (end > 0) this.#onLine();
      }
    }
    return { body, rest };
  }

  #onLine(): void {
    const line = this.#line.toString('latin1');
    this.#line = Buffer.alloc(0);
    if (!line.endsWith('\r\n')) throw malformed();
    if (this.#state === 'size') this.#onSize(line);
    else if (this.#state === 'after-data') {
      if (line !== '\r\n') throw malformed();
      this.#state = 'size';
    } else if (line === '\r\n') this.#state = 'done';
    else this.#onTrailer(line);
  }

  #onTrailer(line: string): void {
    this.trailers += line;
    if (!fieldLine.test(line.slice(0, -2)) || this.trailers.length > lineBytesMax)
      throw malformed();
  }

  #onSize(line: string): void {
    const size = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?\r\n$/i.exec(line)?.[1];
    if (size === undefined) throw malformed();
    this.#left = Number.parseInt(size, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'data';
  }
}

const malformed = (): HttpError => new HttpError(400, 'malformed chunked encoding');

/** The length of the body must be told in one way (`hasOneLength`). */
export const bodyOf = (req: IncomingMessage): SizedBody | ChunkedBody =>
  req.headers['transfer-encoding'] === undefined
    ? new SizedBody(Number(req.headers['content-length'] ?? 0))
    : new ChunkedBody();
