import { limits } from '../limits.ts';
import type { Node } from '../model/objects.ts';
import { type Change, patchNode } from '../store/changes.ts';
import type { View } from '../store/view.ts';
import { withOutage } from './outages.ts';

const mib = (bytes: number): number => bytes / 2 ** 20;

/**
 * A node sends more than it may: it is down as one that is lost, and has no way to the bus for a while (`barredUntil`).
 * A manager's connection is not closed: a manager may say everything, and its node's agent is the least of it.
 */
export function nodeFloods(view: View, nodeId: string, now: number): readonly Change[] {
  const node = view.node(nodeId);
  if (node === undefined || node.role === 'manager' || isBarred(node, now)) return [];
  const message =
    `sends more than ${limits.nodeMessagesPerS} messages or ${mib(limits.nodeBytesPerS)} MiB a second: ` +
    `cut off for ${limits.nodeBarredMs / 1_000} s`;
  return [
    patchNode(nodeId, {
      status: { ...node.status, state: 'down', message },
      barredUntil: now + limits.nodeBarredMs,
      outages: withOutage(node.outages ?? [], { at: now }),
      heldUntil: undefined,
      restUntil: undefined,
      engineAwaySince: undefined,
    }),
  ];
}

export const isBarred = ({ barredUntil }: Pick<Node, 'barredUntil'>, now: number): boolean =>
  barredUntil !== undefined && now < barredUntil;
