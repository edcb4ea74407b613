import type { IncomingMessage } from 'node:http';

/** Headers that belong to one connection and are never handed on (RFC 9110 §7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

export const isHopByHop = (name: string): boolean => hopByHop.has(name);

/**
 * A request whose length is told in two ways could be read as two requests further on: it goes nowhere. Node's parser
 * refuses these as well.
 */
export function hasOneLength(req: IncomingMessage): boolean {
  const lengths = req.headersDistinct['content-length'] ?? [];
  const codings = req.headersDistinct['transfer-encoding'] ?? [];
  if (codings.length > 0)
    return lengths.length === 0 && codings.length === 1 && codings[0]?.toLowerCase() === 'chunked';
  return lengths.length === 0 || (lengths.length === 1 && /^[0-9]+$/.test(lengths[0] ?? ''));
}

export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

const named = (connection: string | undefined): ReadonlySet<string> =>
  new Set((connection ?? '').split(',').map((name) => name.trim().toLowerCase()));

/** The headers of a client's request for the engine, with the length of its body told in exactly one way. */
export function requestHeaders(req: IncomingMessage): Record<string, string | string[]> {
  const dropped = named(req.headers.connection);
  const out: Record<string, string | string[]> = {};
  for (const [name, values = []] of Object.entries(req.headersDistinct))
    if (!hopByHop.has(name) && !dropped.has(name) && name !== 'host')
      out[name] = values.length === 1 ? (values[0] ?? '') : values;
  if (req.headers['transfer-encoding'] !== undefined) out['transfer-encoding'] = 'chunked';
  else if (req.headers['content-length'] === undefined && mayHaveBody(req))
    out['content-length'] = '0';
  return out;
}

const mayHaveBody = ({ method }: IncomingMessage): boolean =>
  method === 'POST' || method === 'PUT' || method === 'PATCH';

/** The headers of the engine's answer for the client: name, value, name, value, … */
export function answerHeaders(answer: IncomingMessage): string[] {
  const dropped = named(answer.headers.connection);
  const out: string[] = [];
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) {
    const name = answer.rawHeaders[i] ?? '';
    const lower = name.toLowerCase();
    if (!hopByHop.has(lower) && !dropped.has(lower)) out.push(name, answer.rawHeaders[i + 1] ?? '');
  }
  return out;
}
