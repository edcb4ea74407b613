import { type Call, type Deps, ok, type Reply, type Route } from '../call.ts';
import { Filters } from '../filters.ts';
import { passThrough } from '../passthrough.ts';
import { hangUp } from '../sink.ts';

/** The label that every container of a task has (swarm-compat §3.5). */
const taskLabel = 'com.docker.swarm.task';
interface Container {
  readonly Labels?: Readonly<Record<string, string>> | null;
}

/** Containers are the engine's, but for the filter `is-task`: it means tasks of the engine's own swarm mode there. */
export function containerRoutes(deps: Deps): readonly Route[] {
  return [{ method: 'GET', path: '/containers/json', handle: (call) => list(deps, call) }];
}

async function list(deps: Deps, { req, res, raw }: Call): Promise<Reply | undefined> {
  const [path = '', query] = raw.split('?');
  const params = new URLSearchParams(query);
  const filters = params.get('filters') ?? '';
  const wanted = isTask(filters);
  if (wanted === undefined) {
    passThrough(deps, req, res, raw);
    return undefined;
  }
  // The engine must not count what is left out here; with a limit it looks at stopped containers too.
  const limit = Number(params.get('limit') ?? 0);
  if (limit > 0) params.set('all', '1');
  params.delete('limit');
  const rest = JSON.parse(filters) as Record<string, unknown>;
  delete rest['is-task'];
  params.set('filters', JSON.stringify(rest));
  const signal = hangUp(res, deps.closing);
  const containers = (await deps.engine.json(
    `${path}?${params.toString()}`,
    signal,
  )) as Container[];
  const found = containers.filter(({ Labels }) => taskLabel in (Labels ?? {}) === wanted);
  return ok(limit > 0 ? found.slice(0, limit) : found);
}

/** What the filter asks for. Undefined where it is absent, or wrong: then the engine says what is wrong with it. */
function isTask(text: string): boolean | undefined {
  if (!text.includes('is-task')) return undefined;
  try {
    const values = Filters.parse(text).get('is-task');
    if (values.length !== 1) return undefined;
    return truth.get(values[0] ?? '');
  } catch {
    return undefined;
  }
}
const truth: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);
