import { compareText } from '../../domain/ids.ts';
import { serviceReasons } from '../../domain/orchestrate/reasons.ts';
import { checkServiceBody, convertServiceSpec } from '../../domain/spec/service.ts';
import { readJson } from '../body.ts';
import { type Call, type Deps, ok, okList, type Reply, type Route } from '../call.ts';
import { Filters } from '../filters.ts';
import { findService, getService, notFound } from '../resolve.ts';
import { withNetworkNames } from '../service-networks.ts';
import { isBefore } from '../version.ts';
import { reasonsOr } from '../view/meta.ts';
import { readServiceSpec } from '../view/readable.ts';
import { explainedService, modeOf, serviceStatus, serviceView } from '../view/service.ts';

/** /services… of Docker's API (swarm-compat §2.3, §2.4), but for the logs. */
export function serviceRoutes(deps: Deps): readonly Route[] {
  const { swarm } = deps;
  return [
    { method: 'GET', path: '/services', handle: (call) => listServices(deps, call) },
    { method: 'POST', path: '/services/create', handle: (call) => createService(deps, call) },
    {
      method: 'GET',
      path: '/services/{id}',
      async handle({ id, query }) {
        const withDefaults = query.strictFlag('insertDefaults', true);
        const view = await swarm.read();
        const service = getService(view, id);
        const reasons = reasonsOr(() => serviceReasons(view, service.id, Date.now()));
        return ok(explainedService(serviceView(service, withDefaults), reasons));
      },
    },
    { method: 'POST', path: '/services/{id}/update', handle: (call) => updateService(deps, call) },
    {
      method: 'DELETE',
      path: '/services/{id}',
      async handle({ id }) {
        const service = getService(await swarm.read(), id);
        await swarm.command('service.remove', { id: service.id });
        return ok();
      },
    },
  ];
}

async function listServices({ swarm }: Deps, { query, version }: Call): Promise<Reply> {
  query.check();
  const filters = Filters.parse(query.get('filters'));
  const withStatus = !isBefore(version, '1.41') && query.strictFlag('status', true);
  const view = await swarm.read();
  filters.allow('id', 'label', 'mode', 'name', 'runtime');
  const services = [...view.list('service')]
    .filter(
      (service) =>
        filters.prefix('id', service.id) &&
        filters.prefix('name', readServiceSpec(service.spec).Name) &&
        filters.labels('label', readServiceSpec(service.spec).Labels) &&
        filters.exact('mode', modeOf(service)) &&
        (filters.get('runtime').length === 0 || filters.get('runtime').includes('container')),
    )
    .sort((a, b) => compareText(a.id, b.id));
  return okList(services, (service) =>
    withStatus
      ? {
          ...serviceView(service),
          ServiceStatus: serviceStatus(service, view.tasksOfService(service.id)),
        }
      : serviceView(service),
  );
}

const authOf = ({ req }: Call): { readonly registryAuth?: string } => {
  const auth = req.headers['x-registry-auth'];
  return typeof auth === 'string' && auth !== '' ? { registryAuth: auth } : {};
};

async function createService({ swarm, engine }: Deps, call: Call): Promise<Reply> {
  const body = await readJson(call.req);
  checkServiceBody(body);
  const spec = await withNetworkNames(engine, body);
  const created = (await swarm.command('service.create', {
    spec,
    ...authOf(call),
    apiVersion: call.version,
  })) as { readonly id: string; readonly warnings?: readonly string[] | null };
  return { status: 201, body: { ID: created.id, Warnings: created.warnings ?? null } };
}

async function updateService({ swarm, engine }: Deps, call: Call): Promise<Reply> {
  const { req, query, id: word, version: apiVersion } = call;
  const body = await readJson(req);
  checkServiceBody(body);
  const spec = await withNetworkNames(engine, body);
  const version = query.version('service');
  const service = findService(await swarm.read(), word);
  if (service === undefined) {
    // Docker looks at the spec before it looks for the service.
    convertServiceSpec(spec, { apiVersion, newName: () => 'unnamed' });
    throw notFound('service', word);
  }
  const updated = (await swarm.command('service.update', {
    id: service.id,
    version,
    spec,
    rollback: query.get('rollback'),
    registryAuthFrom: query.get('registryAuthFrom'),
    ...authOf(call),
    apiVersion,
  })) as { readonly warnings?: readonly string[] | null };
  return ok({ Warnings: updated.warnings ?? null });
}
