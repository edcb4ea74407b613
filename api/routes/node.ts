import { compareText } from '../../domain/ids.ts';
import type { Node } from '../../domain/model/objects.ts';
import { nodeReasons } from '../../domain/orchestrate/reasons.ts';
import { nodeSpecFrom } from '../../domain/spec/node.ts';
import { readJson } from '../body.ts';
import { type Call, type Deps, ok, okList, type Reply, type Route } from '../call.ts';
import { HttpError } from '../errors.ts';
import { Filters } from '../filters.ts';
import { findNode, getNode, notFound } from '../resolve.ts';
import { untilPromoted } from '../promotion.ts';
import { hangUp } from '../sink.ts';
import { reasonsOr } from '../view/meta.ts';
import { explainedNode, nodeView } from '../view/node.ts';
import { readDescription, readNodeSpec } from '../view/readable.ts';

/** /nodes… of Docker's API (swarm-compat §2.3, §2.4). */
export function nodeRoutes(deps: Deps): readonly Route[] {
  const { swarm } = deps;
  return [
    { method: 'GET', path: '/nodes', handle: (call) => listNodes(deps, call) },
    {
      method: 'GET',
      path: '/nodes/{id}',
      async handle({ id }) {
        const view = await swarm.read();
        const node = getNode(view, id);
        const reasons = reasonsOr(() => nodeReasons(view, node, Date.now()));
        return ok(explainedNode(nodeView(node, swarm.leaderId()), reasons));
      },
    },
    {
      method: 'DELETE',
      path: '/nodes/{id}',
      async handle({ id, query }) {
        query.check();
        const node = getNode(await swarm.read(), id);
        await swarm.command('node.remove', { id: node.id, force: query.flag('force') });
        return ok();
      },
    },
    { method: 'POST', path: '/nodes/{id}/update', handle: (call) => updateNode(deps, call) },
  ];
}

async function listNodes({ swarm }: Deps, { query }: Call): Promise<Reply> {
  query.check();
  const filters = Filters.parse(query.get('filters'));
  const view = await swarm.read();
  filters.allow('id', 'label', 'membership', 'name', 'node.label', 'role');
  const roles = chosen(filters, 'role', ['worker', 'manager']);
  const memberships = chosen(filters, 'membership', ['pending', 'accepted']);
  const leader = swarm.leaderId();
  const nodes = [...view.list('node')]
    .filter((node) => matches(filters, node))
    .filter((node) => roles === undefined || roles.includes(node.role))
    // every node is accepted
    .filter(() => memberships === undefined || memberships.includes('accepted'))
    .sort((a, b) => compareText(a.id, b.id));
  return okList(nodes, (node) => nodeView(node, leader));
}

function matches(filters: Filters, { id, spec, description: stored }: Node): boolean {
  const description = stored === undefined ? undefined : readDescription(stored);
  const needsDescription = filters.get('name').length > 0 || filters.get('label').length > 0;
  if (description === undefined && needsDescription) return false;
  return (
    filters.prefix('id', id) &&
    filters.prefix('name', description?.hostname ?? '') &&
    filters.labels('label', description?.engine.labels ?? {}) &&
    filters.labels('node.label', readNodeSpec(spec).Labels)
  );
}

/** The values of a filter that knows only some; undefined when it is not used. */
function chosen(filters: Filters, key: string, known: readonly string[]): string[] | undefined {
  const values = filters.get(key).filter((value) => value !== '');
  const unknown = values.find((value) => !known.includes(value.toLowerCase()));
  if (unknown !== undefined) throw new HttpError(500, `Invalid ${key} filter: '${unknown}'`);
  return values.length === 0 ? undefined : values.map((value) => value.toLowerCase());
}

async function updateNode(
  { swarm, closing }: Deps,
  { req, res, query, id: word }: Call,
): Promise<Reply> {
  const spec = await readJson(req);
  const version = query.version('node');
  const node = findNode(await swarm.read(), word);
  if (node === undefined) {
    // Docker looks at the spec before it looks for the node.
    nodeSpecFrom(spec);
    throw notFound('node', word);
  }
  await swarm.command('node.update', { id: node.id, version, spec });
  if (node.spec.Role === 'worker') await untilPromoted(swarm, node.id, hangUp(res, closing));
  return ok();
}
