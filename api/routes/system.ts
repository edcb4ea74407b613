import { errorText } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { View } from '../../domain/store/view.ts';
import { type Call, type Deps, ok, type Reply, type Route } from '../call.ts';
import { describeError, HttpError } from '../errors.ts';
import { EventStream } from '../events/stream.ts';
import { Filters } from '../filters.ts';
import { parseTimestamp } from '../query.ts';
import { hangUp, Sink } from '../sink.ts';
import { mergeInfo, swarmHeader, swarmInfo } from '../view/info.ts';

/** Routes that answer for both the swarm and the engine. */
export function systemRoutes(deps: Deps): readonly Route[] {
  return [
    { method: 'GET', path: '/_ping', handle: (call) => ping(deps, call) },
    { method: 'HEAD', path: '/_ping', handle: (call) => ping(deps, call) },
    { method: 'GET', path: '/info', handle: (call) => info(deps, call) },
    { method: 'GET', path: '/events', handle: (call) => events(deps, call) },
  ];
}

/** Learns from the engine how to present ourselves. Where it does not answer, all stays as it was. */
export async function meetEngine({ engine, identity }: Deps): Promise<void> {
  const signal = AbortSignal.timeout(limits.enginePingMs);
  try {
    const answer = await engine.fetch({ method: 'HEAD', path: '/_ping', signal });
    answer.resume();
    const before = identity.headers['Server'];
    identity.learn(answer.headers);
    if (identity.headers['Server'] === before && isKnown.has(identity)) return;
    isKnown.add(identity);
    const version = (await engine.json('/version', signal)) as { readonly MinAPIVersion?: unknown };
    identity.learnOldest(version.MinAPIVersion);
  } catch {
    // the swarm's part of the API goes on without the engine
  }
}
const isKnown = new WeakSet<object>();

async function ping(deps: Deps, { req, res }: Call): Promise<undefined> {
  await meetEngine(deps);
  const { identity, swarm } = deps;
  const body = req.method === 'HEAD' ? '' : 'OK';
  res.writeHead(200, {
    ...identity.headers,
    ...identity.pingHeaders,
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    Pragma: 'no-cache',
    Swarm: swarmHeader(swarm.local()),
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
  });
  res.end(body);
  return undefined;
}

async function info(deps: Deps, { raw, res }: Call): Promise<Reply> {
  const engine = await engineInfo(deps, raw, res);
  const view = deps.swarm.local().manager ? await viewOrError(deps) : undefined;
  return ok(mergeInfo(engine, swarmInfo(deps.swarm.local(), view, deps.readTlsInfo)));
}

/** In a swarm /info goes on without the engine: `docker node ls` and others ask it for the swarm's part only. */
async function engineInfo(deps: Deps, raw: string, res: Call['res']): Promise<unknown> {
  try {
    return await deps.engine.json(raw, hangUp(res, deps.closing));
  } catch (error) {
    if (deps.swarm.local().state === 'inactive' || describeError(error).status !== 503) throw error;
    return { Warnings: [`WARNING: ${describeError(error).message}`] };
  }
}

async function viewOrError({ swarm }: Deps): Promise<View | { readonly error: string }> {
  try {
    return await swarm.read();
  } catch (error) {
    return { error: describeError(error).message };
  }
}

async function events(deps: Deps, { query, res, raw }: Call): Promise<undefined> {
  query.check();
  const since = timeOf(query.get('since'));
  const until = timeOf(query.get('until'));
  if (until !== undefined && until < (since ?? 0n))
    throw new HttpError(
      400,
      `\`since\` time (${query.get('since')}) cannot be after \`until\` time (${query.get('until')})`,
    );
  const filtersText = query.get('filters');
  const filters = Filters.parse(filtersText);
  deps.readers.open(res);
  const signal = hangUp(res, deps.closing);
  res.writeHead(200, { ...deps.identity.headers, 'Content-Type': 'application/json' });
  res.flushHeaders();
  const { engine, recorder, wallNow } = deps;
  const stream = new EventStream({
    engine,
    recorder,
    sink: new Sink(res, deps.readers),
    filters,
    filtersText,
    path: raw.split('?')[0] ?? '',
    since,
    until,
    wallNow,
    signal,
    cutOff: () => {
      deps.log('client_cut_off', { path: raw, events: limits.eventsQueuedMax });
      res.destroy();
    },
  });
  await stream.run();
  res.end();
  return undefined;
}

function timeOf(text: string): bigint | undefined {
  try {
    return parseTimestamp(text);
  } catch (error) {
    throw new HttpError(500, errorText(error));
  }
}
