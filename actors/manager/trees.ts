import type { Bus } from '../../bus/ports.ts';
import { subjects } from '../../bus/subjects.ts';
import { type TreeAnswer, treeAnswerFrom } from '../../bus/tree-bodies.ts';
import { errorText } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';

/** The actors of one node; `error` says why they are not known. */
export interface NodeTree extends TreeAnswer {
  readonly nodeId: string;
  readonly error?: string;
}

/** An answer may take this long, ms. */
const answerLimitMs = 3_000;

/** Asks the agents of these nodes what runs there, in their order; a few at a time. Never rejects. */
export async function treesOf(
  bus: Pick<Bus, 'request'>,
  nodeIds: readonly string[],
): Promise<readonly NodeTree[]> {
  const share = Math.floor(limits.treeRowsOfClusterMax / Math.max(1, nodeIds.length));
  const rows = Math.max(1, Math.min(limits.treeRowsMax, share));
  const trees: NodeTree[] = [];
  for (let at = 0; at < nodeIds.length; at += limits.treesAskedMax) {
    const some = nodeIds.slice(at, at + limits.treesAskedMax);
    trees.push(...(await Promise.all(some.map((nodeId) => treeOfNode(bus, nodeId, rows)))));
  }
  return trees;
}

async function treeOfNode(
  bus: Pick<Bus, 'request'>,
  nodeId: string,
  rows: number,
): Promise<NodeTree> {
  const unknown = (error: string): NodeTree => ({ nodeId, rows: [], left: 0, error });
  try {
    const answer = treeAnswerFrom(
      await bus.request(subjects.node(nodeId, 'tree'), { rows }, answerLimitMs),
    );
    if (answer === undefined) return unknown('the node answers something that is no tree');
    const kept = answer.rows.slice(0, rows);
    return { nodeId, rows: kept, left: answer.left + answer.rows.length - kept.length };
  } catch (error) {
    return unknown(`the node does not answer: ${errorText(error)}`);
  }
}
