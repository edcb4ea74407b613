import { fieldsOf, readBody } from '../body.ts';
import { type Call, type Deps, ok, type Route } from '../call.ts';
import { notYet } from '../errors.ts';
import { passThrough } from '../passthrough.ts';
import { notFound } from '../resolve.ts';
import { predefinedNetworkView } from '../view/network.ts';

/**
 * Services can use the engine's own networks, which it shows them as if they were the swarm's. Networks that are really
 * the swarm's come with a later version. All else passes through.
 */
export function networkRoutes(deps: Deps): readonly Route[] {
  return [
    { method: 'POST', path: '/networks/create', handle: (call) => create(deps, call) },
    {
      method: 'GET',
      path: '/networks/{id}',
      async handle({ req, res, raw, id, query }) {
        if (query.get('scope') === 'swarm') return ok(await swarmNetwork(deps, id));
        passThrough(deps, req, res, raw);
        return undefined;
      },
    },
  ];
}

/** Outside of a swarm there is no network of it, and that is no other error. */
async function swarmNetwork({ swarm }: Deps, id: string): Promise<object> {
  const cluster = swarm.local().state === 'active' ? (await swarm.read()).cluster() : undefined;
  const network = cluster && predefinedNetworkView(id, cluster.meta.createdAt);
  if (network === undefined) throw notFound('network', id);
  return network;
}

async function create(deps: Deps, { req, res, raw }: Call): Promise<undefined> {
  const body = await readBody(req);
  // Outside of a swarm the engine itself says what is to be done first.
  if (deps.swarm.local().state === 'active' && wantsSwarmScope(body))
    throw notYet('networks of the swarm (driver overlay, scope swarm, ingress) are', wayAround);
  passThrough(deps, req, res, raw, body);
  return undefined;
}

const wayAround =
  "; services can use the engine's own networks host and bridge: in a stack file, networks: {default: {external: true, name: bridge}}";

/** A body that is no JSON is for the engine to refuse. */
function wantsSwarmScope(body: Buffer): boolean {
  const fields = fieldsOf(body);
  return (
    fields.get('driver') === 'overlay' ||
    fields.get('scope') === 'swarm' ||
    fields.get('ingress') === true
  );
}
