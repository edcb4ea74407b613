import type { IncomingMessage } from 'node:http';
import { limits } from '../domain/limits.ts';
import { Allowance } from './allowance.ts';
import { HttpError } from './errors.ts';
import { endOfFirstValue } from './json-syntax.ts';

/**
 * The JSON body of a request to a swarm route, by Docker's rules (swarm-compat §2.1): no body is the zero value `{}`,
 * so is `null`. Throws `HttpError`s; the value is otherwise as sent.
 */
export async function readJson(req: IncomingMessage): Promise<unknown> {
  const length = req.headers['content-length'];
  const isEmpty =
    req.headers['transfer-encoding'] === undefined &&
    (length === undefined || Number(length) === 0);
  checkContentType(req.headers['content-type'] ?? '', isEmpty);
  if (isEmpty) return {};
  const text = (await readBody(req)).toString();
  return parseJson(text) ?? {};
}

function checkContentType(header: string, isEmpty: boolean): void {
  if (header === '' && isEmpty) return;
  const type = (header.split(';')[0] ?? '').trim().toLowerCase();
  if (type === '')
    throw new HttpError(400, `malformed Content-Type header (${header}): mime: no media type`);
  if (type !== 'application/json')
    throw new HttpError(
      400,
      `unsupported Content-Type header (${header}): must be 'application/json'`,
    );
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    if (text.trim() === '')
      throw new HttpError(400, 'invalid JSON: got EOF while reading request body');
  }
  const end = endOfFirstValue(text);
  // a closing bracket too many is not noticed by Go's decoder
  if (!/^[ \t\r\n]*(?:$|[\]}])/.test(text.slice(end, end + 4096)))
    throw new HttpError(400, 'unexpected content after JSON');
  return JSON.parse(text.slice(0, end)) as unknown;
}

/** The fields of a body by their names in lower case, for Go matches them so. None where it is no JSON object. */
export function fieldsOf(body: Buffer): ReadonlyMap<string, unknown> {
  let json: unknown;
  try {
    json = parseJson(body.toString());
  } catch {
    json = undefined;
  }
  const fields = typeof json === 'object' && json !== null ? Object.entries(json) : [];
  return new Map(fields.map(([name, value]) => [name.toLowerCase(), value]));
}

/** Bodies on their way in. */
const open = new Set<Incoming>();
let heldBytes = 0;
/** Whoever sends large bodies without end would have the daemon do nothing but read, and collect garbage. */
const large = new Allowance(
  { burst: limits.largeBodiesBurstBytes, perS: limits.largeBodiesBytesPerS },
  () => performance.now(),
);

/**
 * The whole body, at most `limits.requestBodyBytesMax` and within `limits.requestBodyMs`. Where all that are on their way in
 * need more room than there is for such, the largest is refused: whoever sends much without end keeps no command out.
 */
export function readBody(req: IncomingMessage): Promise<Buffer> {
  if (Number(req.headers['content-length'] ?? 0) > limits.requestBodyBytesMax)
    return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const body = new Incoming((error) => {
      clearTimeout(timer);
      req.off('data', onData).off('end', onEnd).off('close', onClose);
      if (error === undefined) resolve(body.bytes);
      else reject(error);
    });
    const onData = (chunk: Buffer): void => body.add(chunk);
    const onEnd = (): void => body.end();
    const onClose = (): void => body.end(new HttpError(400, 'the request was cut off'));
    const timer = setTimeout(
      () => body.end(new HttpError(408, 'the request body did not arrive in time')),
      limits.requestBodyMs,
    );
    req.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

/** One body as far as it is here, in one piece: pieces of a byte each would take a hundred times what they hold. */
class Incoming {
  #room: Buffer = Buffer.alloc(0);
  #size = 0;
  readonly #done: (error?: Error) => void;

  constructor(done: (error?: Error) => void) {
    this.#done = done;
    open.add(this);
  }

  get size(): number {
    return this.#size;
  }
  get bytes(): Buffer {
    return this.#room.subarray(0, this.#size);
  }

  add(chunk: Buffer): void {
    const size = this.#size + chunk.length;
    if (size > limits.requestBodyBytesMax) {
      this.end(tooLarge());
      return;
    }
    const behind = Math.min(chunk.length, size - limits.requestBodySmallBytes);
    if (behind > 0 && !large.spend(behind)) {
      this.end(tooFast());
      return;
    }
    if (size > this.#room.length) this.#grow(size);
    chunk.copy(this.#room, this.#size);
    this.#size = size;
    while (heldBytes > limits.requestBodiesBytesMax) largest().end(tooMany());
  }

  end(error?: Error): void {
    if (!open.delete(this)) return;
    heldBytes -= this.#room.length;
    this.#done(error);
  }

  #grow(size: number): void {
    const most = limits.requestBodyBytesMax;
    const room = Buffer.allocUnsafeSlow(Math.min(most, Math.max(size, 2 * this.#room.length)));
    heldBytes += room.length - this.#room.length;
    this.#room.copy(room);
    this.#room = room;
  }
}

const largest = (): Incoming =>
  [...open].reduce((most, one) => (one.size > most.size ? one : most));

const tooMany = (): HttpError =>
  new HttpError(
    503,
    `request bodies of ${limits.requestBodiesBytesMax} bytes are on their way already; try again`,
  );
const tooFast = (): HttpError =>
  new HttpError(503, 'large request bodies come faster than they are read; try again');
const tooLarge = (): HttpError =>
  new HttpError(413, `the request body is larger than ${limits.requestBodyBytesMax} bytes`);
