import type { IncomingMessage, ServerResponse } from 'node:http';
import { limits } from '../domain/limits.ts';
import type { Reply } from './call.ts';
import { Discard } from './discard.ts';
import { describeError } from './errors.ts';
import type { HeaderMap } from './identity.ts';
import type { Readers } from './readers.ts';
import { Sink } from './sink.ts';

const json = 'application/json';
const plain = 'text/plain; charset=utf-8';
/** How long the rest of a body that nobody wants may take to arrive before the connection is cut, ms. */
const restOfBodyMs = 10_000;

/** Resolves when all of it has been handed to the connection, or the client has gone. */
export async function sendReply(
  readers: Readers,
  res: ServerResponse,
  headers: HeaderMap,
  { status, body, items }: Reply,
): Promise<void> {
  if (items !== undefined) await sendList(readers, res, status, headers, items);
  else if (body === undefined) head(res, status, headers, undefined, '').end();
  else {
    const text = `${JSON.stringify(body)}\n`;
    readers.end(head(res, status, headers, json, text), text);
  }
}

/**
 * A list that is longer than a chunk goes out chunk by chunk, as fast as the client reads: all of it together could be
 * larger than memory, or than any text may be.
 */
async function sendList(
  readers: Readers,
  res: ServerResponse,
  status: number,
  headers: HeaderMap,
  items: Iterable<unknown>,
): Promise<void> {
  const sink = new Sink(res, readers);
  let chunk = '[';
  let separator = '';
  for (const item of items) {
    chunk += `${separator}${JSON.stringify(item)}`;
    separator = ',';
    if (chunk.length < limits.listChunkLength) continue;
    if (!res.headersSent) res.writeHead(status, { ...headers, 'Content-Type': json });
    await sink.write(chunk);
    if (res.destroyed) return;
    chunk = '';
  }
  const rest = `${chunk}]\n`;
  if (!res.headersSent) head(res, status, headers, json, rest);
  readers.end(res, rest);
}

/** Docker's error body. `asText` is for clients of versions before JSON errors. */
export function sendError(
  req: IncomingMessage,
  res: ServerResponse,
  headers: HeaderMap,
  error: unknown,
  asText = false,
): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { status, message } = describeError(error);
  if (!req.complete && !req.destroyed) discardRest(req);
  const text = asText ? `${message}\n` : `${JSON.stringify({ message })}\n`;
  head(res, status, headers, asText ? plain : json, text).end(text);
}

/**
 * A body that was refused is still read to its end, so that the client gets to see the answer instead of a broken
 * pipe; but not for ever.
 */
function discardRest(req: IncomingMessage): void {
  const timer = setTimeout(() => req.destroy(), restOfBodyMs).unref();
  req.once('close', () => clearTimeout(timer));
  unwanted.add(req);
}
const unwanted = new Discard(() => performance.now());

function head(
  res: ServerResponse,
  status: number,
  headers: HeaderMap,
  type: string | undefined,
  body: string,
): ServerResponse {
  const typed = type === undefined ? headers : { ...headers, 'Content-Type': type };
  return res.writeHead(status, { ...typed, 'Content-Length': Buffer.byteLength(body) });
}
