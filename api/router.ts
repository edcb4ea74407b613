import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Deps, Route } from './call.ts';
import { HttpError, describeError, pageNotFound } from './errors.ts';
import { firstPart, isOwnPath } from './own-paths.ts';
import { passThrough } from './passthrough.ts';
import { parseTarget } from './path.ts';
import { Query } from './query.ts';
import { sendError, sendReply } from './reply.ts';
import { checkVersion, isBefore, oldestVersion, splitVersion } from './version.ts';

interface Compiled {
  readonly route: Route;
  readonly parts: readonly string[];
}

/** Finds the route of a request: natswarm's own, or the engine (swarm-compat §2.1). */
export class Router {
  readonly #deps: Deps;
  readonly #routes = new Map<string, Compiled[]>();

  constructor(deps: Deps, routes: readonly Route[]) {
    this.#deps = deps;
    for (const route of routes) {
      const key = keyOf(route.method, route.path);
      const known = this.#routes.get(key) ?? [];
      known.push({ route, parts: route.path.split('/') });
      this.#routes.set(key, known);
    }
  }

  /** Answers a request. `wantsContinue`: the client waits for `100 Continue` before it sends the body. Never throws. */
  handle(req: IncomingMessage, res: ServerResponse, wantsContinue: boolean): void {
    try {
      this.#handle(req, res, wantsContinue);
    } catch (error) {
      this.#fail(req, res, '', error);
    }
  }

  #handle(req: IncomingMessage, res: ServerResponse, wantsContinue: boolean): void {
    const target = parseTarget(req.url ?? '');
    if (target.kind === 'bad') {
      const { headers } = this.#deps.identity;
      sendError(req, res, headers, new HttpError(400, 'malformed request target'));
    } else if (target.kind === 'redirect') {
      res.writeHead(301, { Location: target.location, 'Content-Length': 0 }).end();
    } else this.#route(req, res, wantsContinue, target);
  }

  #route(
    req: IncomingMessage,
    res: ServerResponse,
    wantsContinue: boolean,
    target: { readonly path: string; readonly query: string; readonly raw: string },
  ): void {
    const { version, path } = splitVersion(target.path);
    const found = this.#find(req.method ?? '', path);
    if (found === undefined && (!isOwnPath(path) || req.method === 'OPTIONS')) {
      passThrough(this.#deps, req, res, target.raw);
      return;
    }
    if (wantsContinue) res.writeContinue();
    const { identity } = this.#deps;
    if (found === undefined) {
      sendError(req, res, identity.headers, pageNotFound());
      return;
    }
    const run = async (): Promise<void> => {
      if (req.method === 'GET') await this.#deps.turns.next();
      if (res.destroyed) return;
      if (version !== '') checkVersion(version, identity.minVersion, identity.maxVersion);
      const reply = await found.route.handle({
        req,
        res,
        id: found.id,
        query: new Query(target.query),
        version: version === '' ? identity.maxVersion : version,
        raw: target.raw,
      });
      if (reply !== undefined) await sendReply(this.#deps.readers, res, identity.headers, reply);
    };
    run().catch((error: unknown) => this.#fail(req, res, version, error));
  }

  #fail(req: IncomingMessage, res: ServerResponse, version: string, error: unknown): void {
    const { status, message } = describeError(error);
    if (status >= 500)
      this.#deps.log(
        'request_failed',
        { method: req.method, path: req.url, status, message },
        'warn',
      );
    const asText = version !== '' && isBefore(version, oldestVersion);
    sendError(req, res, this.#deps.identity.headers, error, asText);
  }

  #find(method: string, path: string): { readonly route: Route; readonly id: string } | undefined {
    const parts = path.split('/');
    for (const { route, parts: wanted } of this.#routes.get(keyOf(method, path)) ?? []) {
      if (wanted.length !== parts.length) continue;
      if (wanted.every((part, i) => part === parts[i] || (part === '{id}' && parts[i] !== '')))
        return { route, id: parts[wanted.indexOf('{id}')] ?? '' };
    }
    return undefined;
  }
}

const keyOf = (method: string, path: string): string => `${method} ${firstPart(path)}`;
