import { limits } from '../limits.ts';
import { type Change, patchNode } from '../store/changes.ts';
import type { View } from '../store/view.ts';

/**
 * The leader's session with a node fails again and again: the node cannot be told its tasks. It is `unknown` and says
 * why, so that it gets no new tasks and keeps those that it has; the tasks that it has not been told of say why they
 * wait. A session that comes about makes the node ready again, and its first reports replace what the tasks say.
 * @param reason what the session failed with
 */
export function sessionFailed(
  view: View,
  nodeId: string,
  reason: string,
  now: number,
): readonly Change[] {
  const node = view.node(nodeId);
  if (node === undefined || node.status.state === 'down') return [];
  const message = `the leader cannot hold a session with this node: ${reason}`;
  const text = message.slice(0, limits.statusTextLengthMax);
  const changes: Change[] = [];
  if (node.status.state !== 'unknown' || node.status.message !== text)
    changes.push(
      patchNode(nodeId, { status: { ...node.status, state: 'unknown', message: text } }),
    );
  for (const { id, status } of view.tasksOfNode(nodeId)) {
    if (changes.length >= limits.planChangesMax) break; // the next failure goes on from here
    if (status.state === 'assigned' && status.err !== text)
      changes.push({
        op: 'patch',
        kind: 'task',
        id,
        fields: { status: { ...status, at: now, err: text } },
      });
  }
  return changes;
}
