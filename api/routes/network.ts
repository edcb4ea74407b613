import { daemonFault } from '../../domain/errors.ts';
import { parseJson, readBody } from '../body.ts';
import type { Call, Deps, Route } from '../call.ts';
import { notYet } from '../errors.ts';
import { passThrough } from '../passthrough.ts';

/** Swarm-scoped networks come with a later version; the engine's own networks pass through. */
export function networkRoutes(deps: Deps): readonly Route[] {
  return [
    { method: 'POST', path: '/networks/create', handle: (call) => create(deps, call) },
    {
      method: 'GET',
      path: '/networks/{id}',
      async handle({ req, res, raw, id, query }) {
        if (query.get('scope') === 'swarm')
          throw daemonFault('NotFound', `network ${id} not found`);
        passThrough(deps, req, res, raw);
        return undefined;
      },
    },
  ];
}

async function create(deps: Deps, { req, res, raw }: Call): Promise<undefined> {
  const body = await readBody(req);
  // Outside of a swarm the engine itself says what is to be done first.
  if (deps.swarm.local().state === 'active' && wantsSwarmScope(body))
    throw notYet('networks of the swarm (driver overlay, scope swarm, ingress) are');
  passThrough(deps, req, res, raw, body);
  return undefined;
}

/** Field names match without regard to case, as in Go. A body that is no JSON is for the engine to refuse. */
function wantsSwarmScope(body: Buffer): boolean {
  let json: unknown;
  try {
    json = parseJson(body.toString());
  } catch {
    return false;
  }
  if (typeof json !== 'object' || json === null) return false;
  return Object.entries(json).some(([name, value]) => {
    const field = name.toLowerCase();
    return (
      (field === 'driver' && value === 'overlay') ||
      (field === 'scope' && value === 'swarm') ||
      (field === 'ingress' && value === true)
    );
  });
}
