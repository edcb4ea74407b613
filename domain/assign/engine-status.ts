import { Fault } from '../errors.ts';
import type { Node, NodeDescription } from '../model/objects.ts';
import { type Change, patchNode } from '../store/changes.ts';
import type { View } from '../store/view.ts';
import { isBarred } from './flood.ts';
import { backFields, news, nodeReady } from './node-status.ts';
import { withOutage } from './outages.ts';

/** An agent's engine does not answer. */
export interface EngineTrouble {
  /** What is wrong, in the engine's words. */
  readonly error: string;
  /** How long the containers there are taken to live without their engine, ms. */
  readonly graceMs: number;
}

/** A node said hello: it is ready, or down where its engine is away. Throws a Fault for one that was cut off. */
export function nodeHello(
  view: View,
  nodeId: string,
  description: NodeDescription,
  trouble: EngineTrouble | undefined,
  now: number,
): readonly Change[] {
  const node = view.node(nodeId);
  // said before its connection was closed
  if (node !== undefined && isBarred(node, now))
    throw new Fault('ResourceExhausted', `this node ${node.status.message}`);
  if (node === undefined || trouble === undefined) return nodeReady(view, nodeId, description, now);
  const isKnown = node.engineAwaySince !== undefined;
  const fields = { ...news(node, description), ...(!isKnown && awayFields(node, trouble, now)) };
  return Object.keys(fields).length === 0 ? [] : [patchNode(nodeId, fields)];
}

/**
 * What a heartbeat says of the node's engine. A node whose engine is away is down: it gets no new tasks, and keeps those that
 * it has until the grace is over, because containers may live without their engine. It is ready again as soon as the
 * engine is back. One that is down for another reason is the next hello's to bring back.
 */
export function engineHeard(
  view: View,
  nodeId: string,
  trouble: EngineTrouble | undefined,
  now: number,
): readonly Change[] {
  const node = view.node(nodeId);
  if (node === undefined || !isNews(node, trouble)) return [];
  const fields = trouble === undefined ? backFields(node, now) : awayFields(node, trouble, now);
  return [patchNode(nodeId, fields)];
}

/** Whether a heartbeat with this has anything to commit. */
export const isNews = (node: Node, trouble: EngineTrouble | undefined): boolean =>
  trouble === undefined
    ? node.engineAwaySince !== undefined
    : node.engineAwaySince === undefined && node.status.state === 'ready';

/** A node that is down already, because it was silent, keeps its tasks no longer than it would have. */
function awayFields(node: Node, { error, graceMs }: EngineTrouble, now: number) {
  const wasDown = node.status.state === 'down';
  const until = graceMs > 0 ? now + graceMs : undefined;
  return {
    status: { ...node.status, state: 'down', message: error },
    engineAwaySince: node.engineAwaySince ?? now,
    heldUntil: wasDown ? node.heldUntil : until,
    restUntil: undefined,
    ...(!wasDown && { outages: withOutage(node.outages ?? [], { at: now }) }),
  } as const;
}
