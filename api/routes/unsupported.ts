import { fieldsOf, readBody, readJson } from '../body.ts';
import { type Call, type Deps, ok, type Route } from '../call.ts';
import { notYet } from '../errors.ts';
import { Filters } from '../filters.ts';
import { passThrough } from '../passthrough.ts';
import { notFound } from '../resolve.ts';

/**
 * What later versions bring: there is none of it yet, so lists are empty and names unknown; making one is refused
 * with a clear text.
 */
export function unsupportedRoutes(deps: Deps): readonly Route[] {
  return [
    ...absentObjects(deps, 'secret', ['id', 'label', 'name', 'names']),
    ...absentObjects(deps, 'config', ['id', 'label', 'name']),
    { method: 'POST', path: '/volumes/create', handle: (call) => createVolume(deps, call) },
    {
      method: 'PUT',
      path: '/volumes/{id}',
      handle: () => Promise.reject(notYet('cluster volumes are')),
    },
  ];
}

/** Volumes are the engine's, but for those of the cluster. */
async function createVolume(deps: Deps, { req, res, raw }: Call): Promise<undefined> {
  const body = await readBody(req);
  const spec = fieldsOf(body).get('clustervolumespec');
  if (deps.swarm.local().state === 'active' && spec !== undefined && spec !== null)
    throw notYet(
      'cluster volumes are',
      '; a volume without ClusterVolumeSpec is made on this node',
    );
  passThrough(deps, req, res, raw, body);
  return undefined;
}

function absentObjects(
  { swarm }: Deps,
  kind: 'secret' | 'config',
  filterKeys: readonly string[],
): readonly Route[] {
  const absent = async (id: string): Promise<undefined> => {
    await swarm.read();
    throw notFound(kind, id);
  };
  return [
    {
      method: 'GET',
      path: `/${kind}s`,
      async handle({ query }) {
        query.check();
        const filters = Filters.parse(query.get('filters'));
        await swarm.read();
        filters.allow(...filterKeys);
        return ok([]);
      },
    },
    {
      method: 'POST',
      path: `/${kind}s/create`,
      async handle({ req }) {
        await readJson(req);
        await swarm.read();
        throw notYet(`${kind}s are`);
      },
    },
    { method: 'GET', path: `/${kind}s/{id}`, handle: ({ id }) => absent(id) },
    { method: 'DELETE', path: `/${kind}s/{id}`, handle: ({ id }) => absent(id) },
    {
      method: 'POST',
      path: `/${kind}s/{id}/update`,
      async handle({ req, id, query }) {
        await readJson(req);
        query.version(kind);
        return absent(id);
      },
    },
  ];
}
