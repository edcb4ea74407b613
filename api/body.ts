import type { IncomingMessage } from 'node:http';
import { limits } from '../domain/limits.ts';
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

/** What has come in of all bodies that are not whole yet, bytes. */
let heldBytes = 0;

/**
 * The whole body, at most `limits.requestBodyBytesMax` and within `limits.requestBodyMs`. Where bodies that do not end take all
 * the room that there is for such, the one that asks for more is refused.
 */
export function readBody(req: IncomingMessage): Promise<Buffer> {
  if (Number(req.headers['content-length'] ?? 0) > limits.requestBodyBytesMax)
    return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (error?: Error): void => {
      clearTimeout(timer);
      heldBytes -= size;
      req.off('data', onData).off('end', onEnd).off('close', onClose);
      if (error === undefined) resolve(Buffer.concat(chunks));
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      heldBytes += chunk.length;
      if (size > limits.requestBodyBytesMax) end(tooLarge());
      else if (heldBytes > limits.requestBodiesBytesMax) end(tooMany());
      else chunks.push(chunk);
    };
    const onEnd = (): void => end();
    const onClose = (): void => end(new HttpError(400, 'the request was cut off'));
    const timer = setTimeout(
      () => end(new HttpError(408, 'the request body did not arrive in time')),
      limits.requestBodyMs,
    );
    req.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

const tooMany = (): HttpError =>
  new HttpError(
    503,
    `request bodies of ${limits.requestBodiesBytesMax} bytes are on their way already; try again`,
  );
const tooLarge = (): HttpError =>
  new HttpError(413, `the request body is larger than ${limits.requestBodyBytesMax} bytes`);
