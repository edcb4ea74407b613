import type { View } from '../store/view.ts';
import { isTerminal } from '../task-state.ts';

/** What a node is in, as people look at it. */
export type NodePhase =
  | 'unknown'
  | 'ready'
  | 'silent'
  | 'down'
  | 'resting'
  | 'draining'
  | 'drained';

/** @param isSilent the leader has not heard of the node for longer than it should */
export function nodePhase(view: View, id: string, isSilent: boolean): NodePhase {
  const node = view.node(id);
  if (node === undefined) return 'unknown';
  if (node.status.state === 'down') return 'down';
  if (isSilent) return 'silent';
  if (node.status.state === 'unknown') return 'unknown';
  if (node.spec.Availability === 'drain') return hasTasks(view, id) ? 'draining' : 'drained';
  return node.restUntil === undefined ? 'ready' : 'resting';
}

function hasTasks(view: View, id: string): boolean {
  for (const { status } of view.tasksOfNode(id)) if (!isTerminal(status.state)) return true;
  return false;
}
