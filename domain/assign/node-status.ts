import { Fault } from '../errors.ts';
import type { Node, NodeDescription, Outage } from '../model/objects.ts';
import type { Change } from '../store/changes.ts';
import type { View } from '../store/view.ts';
import { isTerminal } from '../task-state.ts';
import { heldUntil, restMs, withOutage } from './outages.ts';

/** A node said hello: it is ready, with this description. No change when nothing is new. */
export function nodeReady(
  view: View,
  nodeId: string,
  description: NodeDescription,
  now: number,
): readonly Change[] {
  const node = view.node(nodeId);
  if (node === undefined) throw new Fault('NotFound', `node ${nodeId} not found`);
  const same = JSON.stringify(node.description) === JSON.stringify(description);
  if (node.status.state === 'ready') return same ? [] : [patch(nodeId, { description })];
  const rest = restMs(node.outages ?? [], now);
  const message = rest > 0 ? `was down too often: no new tasks for ${rest / 1_000} s` : '';
  const restUntil = rest > 0 ? now + rest : undefined;
  const status: Node['status'] = { ...node.status, state: 'ready', message };
  return [patch(nodeId, { description, status, heldUntil: undefined, restUntil })];
}

/**
 * Nodes fell silent: they are down. Their tasks are lost with them; where many nodes are, not all at once.
 * @param isSilent whether another node that is not down yet has missed beats, too
 */
export function nodesSilent(
  view: View,
  nodeIds: readonly string[],
  now: number,
  isSilent: (nodeId: string) => boolean,
): readonly Change[] {
  const nodes = nodeIds
    .map((id) => view.node(id))
    .filter((node): node is Node => node !== undefined && node.status.state !== 'down');
  if (nodes.length === 0) return [];
  const silent = new Map(nodes.map(({ id }) => [id, hasTasks(view, id)]));
  const held = heldUntil(view.list('node'), silent, now, isSilent);
  return nodes.map((node, i) => {
    const until = held[i];
    const outage: Outage = { at: now, ...(until !== undefined && { givenUpAt: until }) };
    return patch(node.id, {
      ...down(node),
      outages: withOutage(node.outages ?? [], outage),
      ...(until !== undefined && until > now && { heldUntil: until }),
    });
  });
}

const hasTasks = (view: View, nodeId: string): boolean => {
  for (const { status } of view.tasksOfNode(nodeId)) if (!isTerminal(status.state)) return true;
  return false;
};

/** A node left the swarm. */
export function nodeLeft(view: View, nodeId: string): readonly Change[] {
  const node = view.node(nodeId);
  if (node === undefined) return [];
  if (node.status.state === 'down' && node.heldUntil === undefined) return [];
  return [patch(nodeId, { ...down(node), heldUntil: undefined })];
}

/** What has been waited for is over: the node is given up, or takes tasks again. */
export const nodeReleased = ({ id, status }: Node): Change =>
  patch(id, {
    heldUntil: undefined,
    restUntil: undefined,
    ...(status.state === 'ready' && { status: { ...status, message: '' } }),
  });

const down = ({ status }: Node): Pick<Node, 'status'> & { readonly restUntil: undefined } => ({
  // Swarm's words, whatever the reason
  status: { ...status, state: 'down', message: 'heartbeat failure' },
  restUntil: undefined,
});

const patch = (id: string, fields: Extract<Change, { op: 'patch'; kind: 'node' }>['fields']) =>
  ({ op: 'patch', kind: 'node', id, fields }) satisfies Change;
