import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Deps } from './call.ts';
import { isRepeatable } from './engine.ts';
import { HttpError } from './errors.ts';
import { answerHeaders, hasBody, hasOneLength, requestHeaders } from './headers.ts';
import { sendError } from './reply.ts';

/**
 * Hands a request to the engine and its answer to the client, streaming both ways: builds, logs, image loads. Either
 * end's hang-up ends the other. `path` is what routing has looked at; `body`: the request's, where it was read
 * already.
 */
export function passThrough(
  deps: Pick<Deps, 'engine' | 'identity'>,
  req: IncomingMessage,
  res: ServerResponse,
  path: string,
  body?: Buffer,
  mayReuse = true,
): void {
  const { engine, identity } = deps;
  if (!hasOneLength(req)) {
    sendError(req, res, identity.headers, new HttpError(400, 'ambiguous length of the body'));
    return;
  }
  const headers = requestHeaders(req);
  if (body !== undefined) {
    delete headers['transfer-encoding'];
    delete headers['expect'];
    headers['content-length'] = String(body.length);
  }
  const method = req.method ?? 'GET';
  const reuse = mayReuse && isRepeatable(method) && !hasBody(req);
  const toEngine = engine.open({ method, path, headers, reuse });
  toEngine.on('response', (answer) => relay(answer, res));
  toEngine.on('continue', () => res.writeContinue());
  toEngine.on('error', () => {
    if (res.writableEnded) return;
    // an idle connection that the engine has just closed
    if (toEngine.reusedSocket && !res.headersSent) passThrough(deps, req, res, path, body, false);
    else sendError(req, res, identity.headers, engine.away());
  });
  // what is left of a body that the engine does not want is read and dropped
  toEngine.on('close', () => req.resume());
  res.on('close', () => {
    if (!res.writableFinished) toEngine.destroy();
  });
  if (body === undefined) sendBody(req, toEngine);
  else toEngine.end(body);
}

function sendBody(req: IncomingMessage, toEngine: ClientRequest): void {
  req.on('end', () => {
    if (req.rawTrailers.length > 0) toEngine.addTrailers(pairs(req.rawTrailers));
  });
  req.pipe(toEngine);
}

function relay(answer: IncomingMessage, res: ServerResponse): void {
  if (res.headersSent || res.destroyed) {
    answer.destroy();
    return;
  }
  res.sendDate = false;
  try {
    res.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', answerHeaders(answer));
  } catch {
    // a head that Node will not write; what it was is nothing that the client could be told
    res.destroy();
    return;
  }
  // streams begin with a head alone: the client must see it before the first line comes
  res.flushHeaders();
  answer.on('error', () => res.destroy());
  answer.on('end', () => {
    if (answer.rawTrailers.length > 0) res.addTrailers(pairs(answer.rawTrailers));
  });
  answer.pipe(res);
}

function pairs(raw: readonly string[]): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) out.push([raw[i] ?? '', raw[i + 1] ?? '']);
  return out;
}
