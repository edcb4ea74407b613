import { keptKeys } from './issued-keys.ts';
import { Fault } from '../errors.ts';
import type { Node, NodeDescription, Outage } from '../model/objects.ts';
import { parseAddress } from '../schedule/address.ts';
import { type Change, patchNode } from '../store/changes.ts';
import type { View } from '../store/view.ts';
import { isGivenUp } from './node-state.ts';
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
  const at = moved(node, description);
  if (node.status.state !== 'ready')
    return [patchNode(nodeId, { ...news(node, description), ...backFields(at, now) })];
  return describedAt(node, description);
}

/** The description where it is another: it is large, and each record is on the disks of all managers. */
export const news = (node: Node, description: NodeDescription) =>
  JSON.stringify(node.description) === JSON.stringify(description)
    ? {}
    : { ...keptKeys(node), description };

function describedAt(node: Node, description: NodeDescription): readonly Change[] {
  const at = moved(node, description);
  const fields = { ...news(node, description), ...(at !== node && { status: at.status }) };
  return Object.keys(fields).length === 0 ? [] : [patchNode(node.id, fields)];
}

/** What a node said of itself is taken later than its hello. */
export function nodeDescribed(
  view: View,
  nodeId: string,
  description: NodeDescription,
): readonly Change[] {
  const node = view.node(nodeId);
  return node === undefined ? [] : describedAt(node, description);
}

/** A node is where it says; what is no address stays out, for constraints are about it, and the API shows it. */
function moved(node: Node, { addr }: NodeDescription): Node {
  const { status } = node;
  return addr === undefined || addr === status.addr || parseAddress(addr) === undefined
    ? node
    : { ...node, status: { ...status, addr } };
}

/** What a node is that was down and is ready again. */
export function backFields(node: Node, now: number) {
  const rest = restMs(node.outages ?? [], now);
  const message = rest > 0 ? `was down too often: no new tasks for ${rest / 1_000} s` : '';
  const status: Node['status'] = { ...node.status, state: 'ready', message };
  const restUntil = rest > 0 ? now + rest : undefined;
  const over = { heldUntil: undefined, engineAwaySince: undefined, barredUntil: undefined };
  return { status, restUntil, ...over };
}

/**
 * Nodes fell silent: they are down. Their tasks are lost with them; where many nodes are, not all at once.
 * @param isSilent whether another node that is not down yet has missed heartbeats, too
 */
export function nodesSilent(
  view: View,
  nodeIds: readonly string[],
  now: number,
  isSilent: (nodeId: string) => boolean,
): readonly Change[] {
  const nodes = nodeIds
    .map((id) => view.node(id))
    .filter((node): node is Node => node !== undefined && !isLost(node));
  if (nodes.length === 0) return [];
  // what was given up before, with the engine, is not held anew
  const silent = new Map(
    nodes.map((node) => [node.id, !isGivenUp(node) && hasTasks(view, node.id)]),
  );
  const held = heldUntil(view.list('node'), silent, now, isSilent);
  return nodes.map((node, i) => {
    const until = held[i];
    const outage: Outage = { at: now, ...(until !== undefined && { givenUpAt: until }) };
    return patchNode(node.id, {
      ...down(node),
      outages: withOutage(node.outages ?? [], outage),
      heldUntil: until !== undefined && until > now ? until : undefined,
    });
  });
}

/** Nobody hears it any more; one whose engine alone is away can still fall silent. */
const isLost = ({ status, engineAwaySince }: Node): boolean =>
  status.state === 'down' && engineAwaySince === undefined;

const hasTasks = (view: View, nodeId: string): boolean => {
  for (const { status } of view.tasksOfNode(nodeId)) if (!isTerminal(status.state)) return true;
  return false;
};

/** A node left the swarm. */
export function nodeLeft(view: View, nodeId: string): readonly Change[] {
  const node = view.node(nodeId);
  if (node === undefined) return [];
  if (isLost(node) && node.heldUntil === undefined) return [];
  return [patchNode(nodeId, { ...down(node), heldUntil: undefined })];
}

/** What has been waited for is over: the node is given up, or takes tasks again. */
export const nodeReleased = ({ id, status }: Node): Change =>
  patchNode(id, {
    heldUntil: undefined,
    restUntil: undefined,
    ...(status.state === 'ready' && { status: { ...status, message: '' } }),
  });

const down = ({ status }: Node) => ({
  // Swarm's words, whatever the reason
  status: { ...status, state: 'down' as const, message: 'heartbeat failure' },
  restUntil: undefined,
  engineAwaySince: undefined,
});
