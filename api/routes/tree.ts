import type { NodeTree } from '../../actors/manager/trees.ts';
import type { TreeRow } from '../../bus/tree-bodies.ts';
import type { View } from '../../domain/store/view.ts';
import { type Deps, okList, type Route } from '../call.ts';
import { getNode } from '../resolve.ts';

/** What runs, on this node, on another one or on all of them (docs/operations.md); natswarm's own, not Docker's. */
export function treeRoutes({ swarm }: Deps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/natswarm/tree',
      async handle({ query }) {
        if (!query.flag('cluster')) return okList([swarm.tree()], (tree) => treeView(tree));
        const view = await swarm.read();
        const ids = [...view.list('node')].map(({ id }) => id);
        return okList(await swarm.trees(ids), (tree) => treeView(tree, view));
      },
    },
    {
      method: 'GET',
      path: '/natswarm/tree/{id}',
      async handle({ id }) {
        const view = await swarm.read();
        const trees = await swarm.trees([getNode(view, id).id]);
        return okList(trees, (tree) => treeView(tree, view));
      },
    },
  ];
}

const treeView = ({ nodeId, rows, left, error }: NodeTree, view?: View): object => ({
  NodeID: nodeId,
  Hostname: view?.node(nodeId)?.description?.hostname ?? '',
  Actors: rows.map(rowView),
  More: left,
  ...(error !== undefined && { Error: error }),
});

const rowView = (row: TreeRow): object => ({
  Address: row.address,
  Supervisor: row.supervisor,
  State: row.state,
  ...(row.phase !== undefined && { Phase: row.phase }),
  ForMs: row.forMs,
  Restarts: row.restarts,
  LastError: row.lastError,
  ...(row.mailbox !== undefined && { Mailbox: row.mailbox }),
});
