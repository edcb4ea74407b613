import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogEvent } from './log.ts';
import type { EngineClient } from './engine.ts';
import type { Recorder } from './events/recorder.ts';
import type { Identity } from './identity.ts';
import type { Swarm } from './ports.ts';
import type { Query } from './query.ts';
import type { Readers } from './readers.ts';
import type { Turns } from './turns.ts';
import type { ReadTlsInfo } from './view/cluster.ts';

/** One request to a route of natswarm's own. */
export interface Call {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** What stands for `{id}` in the route's path. */
  readonly id: string;
  readonly query: Query;
  /** The API version asked for, or the newest. */
  readonly version: string;
  /** Path and query as they were sent, for the engine. */
  readonly raw: string;
}

export interface Reply {
  readonly status: number;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Instead of a body: the elements of a JSON array, made and sent bit by bit where there are many. */
  readonly items?: Iterable<unknown>;
}

/** Answers with a reply to send, or undefined when it has answered by itself. */
export type Handler = (call: Call) => Promise<Reply | undefined>;

export interface Route {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** E.g. `/services/{id}/logs`. */
  readonly path: string;
  readonly handle: Handler;
}

export interface Deps {
  readonly swarm: Swarm;
  readonly engine: EngineClient;
  readonly identity: Identity;
  readonly recorder: Recorder;
  readonly readers: Readers;
  readonly turns: Turns;
  /** Of tasks whose logs are begun: questions of others do not wait behind a thousand of them. */
  readonly logTurns: Turns;
  readonly readTlsInfo: ReadTlsInfo;
  readonly wallNow: () => number;
  readonly log: LogEvent;
  /** Aborts when the front closes: streams end then. */
  readonly closing: AbortSignal;
}

export const ok = (body?: unknown): Reply =>
  body === undefined ? { status: 200 } : { status: 200, body };

/** A list of any length: `show` is called as the elements are sent. */
export function okList<T>(objects: readonly T[], show: (object: T) => unknown): Reply {
  function* items(): Iterable<unknown> {
    for (const object of objects) yield show(object);
  }
  return { status: 200, items: items() };
}
