/**
 * Request paths as the engine's own router (Go's net/http and gorilla/mux) reads them. Routing by exactly the path
 * that the engine would see is what keeps a swarm call from slipping through to the engine in disguise
 * (`/%73warm/init`, `//swarm/init`).
 */

export type Target =
  | {
      readonly kind: 'ok';
      /** Decoded. */
      readonly path: string;
      /** Without `?`. */
      readonly query: string;
      /** Path and query as they were sent, for the engine. */
      readonly raw: string;
    }
  /** The path is not clean: the router sends the client to the clean one. */
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'bad' };

const beyondAscii = /[\x80-\uffff]/;
const origin = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i;

/** Reads a request target in origin or absolute form. */
export function parseTarget(url: string): Target {
  const raw = url.replace(origin, '');
  const at = raw.indexOf('?');
  const encoded = at === -1 ? raw : raw.slice(0, at);
  const query = at === -1 ? '' : raw.slice(at + 1);
  if (!encoded.startsWith('/')) return { kind: 'bad' };
  const path = decode(encoded);
  if (path === undefined) return { kind: 'bad' };
  const clean = cleanPath(path);
  if (clean === path) return { kind: 'ok', path, query, raw };
  return { kind: 'redirect', location: encodeURI(clean) + (at === -1 ? '' : `?${query}`) };
}

/** Node gives bytes beyond ASCII as Latin-1; paths are UTF-8. */
function decode(encoded: string): string | undefined {
  const text = beyondAscii.test(encoded) ? Buffer.from(encoded, 'latin1').toString() : encoded;
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Resolves `.`, `..` and empty elements; a trailing slash stays. */
function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/'))
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  const clean = `/${parts.join('/')}`;
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean;
}
