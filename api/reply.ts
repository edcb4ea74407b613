import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Reply } from './call.ts';
import { describeError } from './errors.ts';
import type { HeaderMap } from './identity.ts';

const json = 'application/json';
const plain = 'text/plain; charset=utf-8';
/** How long the rest of a body that nobody wants may take to arrive before the connection is cut, ms. */
const restOfBodyMs = 10_000;

export function sendReply(res: ServerResponse, headers: HeaderMap, { status, body }: Reply): void {
  if (body === undefined) send(res, status, headers, undefined, '');
  else send(res, status, headers, json, `${JSON.stringify(body)}\n`);
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
