import type { IncomingMessage } from 'node:http';
import { startToldFrom } from '../bus/bodies.ts';
import type { StartAnswer, StartTold } from '../bus/protocol.ts';
import type { ManagerTold } from '../domain/model/objects.ts';
import { Fault } from '../domain/errors.ts';

/** What managers without a part in the log ask of others; `certificate` (DER) is the connection's. */
export interface LogJoinRoutes {
  /** Where the log goes on. Throws `Fault`. */
  readonly offer: (certificate: Buffer) => object;
  /** The asker's addresses. Rejects with a `Fault`. */
  readonly enroll: (certificate: Buffer, place: ManagerTold) => Promise<void>;
  /** What this manager has seen of the asker's disk, and whether it fits the log; answered without a leader too. Rejects with a `Fault`. */
  readonly start: (certificate: Buffer, told: StartTold) => Promise<StartAnswer>;
  /** The state, to begin in `generation` with. Throws `Fault`. */
  readonly checkpoint: (certificate: Buffer, generation: number) => Uint8Array;
}

/**
 * `GET /v1/manager` tells where the log goes on, `POST /v1/manager` takes the asker's addresses,
 * `POST /v1/manager/start` answers whether the asker's disk may be used, `GET /v1/manager/checkpoint/<generation>` gives the state. Undefined for other paths. Rejects with a `Fault`.
 */
export async function answerLogJoin(
  routes: LogJoinRoutes,
  req: IncomingMessage,
  certificate: () => Buffer,
  body: () => Promise<unknown>,
): Promise<object | Uint8Array | undefined> {
  const url = req.url ?? '';
  if (url === '/v1/manager' && req.method === 'GET') return routes.offer(certificate());
  if (url === '/v1/manager' && req.method === 'POST') {
    const shown = certificate();
    await routes.enroll(shown, placeFrom(await body()));
    return {};
  }
  if (url === '/v1/manager/start' && req.method === 'POST') {
    const shown = certificate();
    const told = startToldFrom(await body());
    if (told === undefined) throw new Fault('InvalidArgument', 'that is no start of a manager');
    return routes.start(shown, told);
  }
  const asked = /^\/v1\/manager\/checkpoint\/(\d{1,12})$/.exec(url)?.[1];
  return asked !== undefined && req.method === 'GET'
    ? routes.checkpoint(certificate(), Number(asked))
    : undefined;
}

function placeFrom(body: unknown): ManagerTold {
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const text = (name: string): string => {
    const value = fields[name];
    if (typeof value !== 'string') throw new Fault('InvalidArgument', `"${name}" must be a string`);
    return value;
  };
  const { featureLevel } = fields;
  return {
    addr: text('addr'),
    bus: text('bus'),
    route: text('route'),
    ...(typeof featureLevel === 'number' && { featureLevel }),
  };
}
