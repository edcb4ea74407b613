import type { IncomingMessage, ServerResponse } from 'node:http';
import { limits } from '../domain/limits.ts';
import type { Reply } from './call.ts';
import { describeError } from './errors.ts';
import type { HeaderMap } from './identity.ts';

const json = 'application/json';
const plain = 'text/plain; charset=utf-8';
/** How long the rest of a body that nobody wants may take to arrive before the connection is cut, ms. */
const restOfBodyMs = 10_000;

/** Resolves when all of it has been handed to the connection, or the client has gone. */
export async function sendReply(
  res: ServerResponse,
  headers: HeaderMap,
  { status, body, items }: Reply,
): Promise<void> {
  if (items !== undefined) await sendList(res, status, headers, items);
  else if (body === undefined) send(res, status, headers, undefined, '');
  else send(res, status, headers, json, `${JSON.stringify(body)}\n`);
}

/**
 * A list that is longer than a chunk goes out chunk by chunk, as fast as the client reads: all of it together could be
 * larger than memory, or than any text may be.
 */
async function sendList(
  res: ServerResponse,
  status: number,
  headers: HeaderMap,
  items: Iterable<unknown>,
): Promise<void> {
  let chunk = '[';
  let separator = '';
  for (const item of items) {
    chunk += `${separator}${JSON.stringify(item)}`;
    separator = ',';
    if (chunk.length < limits.listChunkLength) continue;
    if (!res.headersSent) res.writeHead(status, { ...headers, 'Content-Type': json });
    await written(res, chunk);
    if (res.destroyed) return;
    chunk = '';
  }
  if (res.headersSent) res.end(`${chunk}]\n`);
  else send(res, status, headers, json, `${chunk}]\n`);
}

/** Resolves when there is room for more, or the client has gone. */
function written(res: ServerResponse, chunk: string): Promise<void> {
  if (res.write(chunk) || res.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      res.off('drain', end).off('close', end);
      resolve();
    };
    res.on('drain', end).on('close', end);
  });
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
  if (!req.complete) discardRest(req);
  if (asText) send(res, status, headers, plain, `${message}\n`);
  else send(res, status, headers, json, `${JSON.stringify({ message })}\n`);
}

/**
 * A body that was refused is still read to its end, so that the client gets to see the answer instead of a broken
 * pipe; but not for ever.
 */
function discardRest(req: IncomingMessage): void {
  const timer = setTimeout(() => req.destroy(), restOfBodyMs).unref();
  req.resume().once('close', () => clearTimeout(timer));
}

function send(
  res: ServerResponse,
  status: number,
  headers: HeaderMap,
  type: string | undefined,
  body: string,
): void {
  const typed = type === undefined ? headers : { ...headers, 'Content-Type': type };
  res.writeHead(status, { ...typed, 'Content-Length': Buffer.byteLength(body) });
  res.end(body);
}
