import { Fault } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Node, Task } from '../model/objects.ts';
import type { NodeSpec } from '../model/spec.ts';
import { notYet } from '../spec/faults.ts';
import { nodeSpecFrom } from '../spec/node.ts';
import type { Change } from '../store/changes.ts';
import type { View } from '../store/view.ts';
import { isTerminal } from '../task-state.ts';
import { Body } from './body.ts';
import type { Command, CommandContext } from './command.ts';
import { checkVersion, notFound } from './faults.ts';

function nodeOf(view: View, id: string): Node {
  const node = view.node(id);
  if (node === undefined) throw notFound('node', id);
  return node;
}

function countManagers(view: View): number {
  let managers = 0;
  for (const { spec } of view.list('node')) if (spec.Role === 'manager') managers += 1;
  return managers;
}

function checkRoleChange(view: View, node: Node, spec: NodeSpec): void {
  if (node.spec.Role === spec.Role) return;
  if (spec.Role === 'manager') throw notYet('promotion of nodes is');
  if (countManagers(view) === 1)
    throw new Fault('FailedPrecondition', 'attempting to demote the last manager of the swarm');
  throw notYet('demotion of managers is');
}

/** `{id, version, spec}` → `{}`; the spec replaces the old one. */
export const nodeUpdate: Command = {
  decide(view, _ctx, input) {
    const body = new Body('node.update', input);
    const spec = nodeSpecFrom(body.raw('spec'));
    const node = nodeOf(view, body.id());
    checkRoleChange(view, node, spec);
    checkVersion(node, body.version());
    return { changes: [{ op: 'patch', kind: 'node', id: node.id, fields: { spec } }], result: {} };
  },
};

const orphaned = ({ id }: Task, { now }: CommandContext): Change => ({
  op: 'patch',
  kind: 'task',
  id,
  fields: {
    status: {
      state: 'orphaned',
      at: now,
      message: 'Task belonged to a node that has been deleted',
    },
  },
});

/** Tasks of a node that is gone will never report again, so they end here, in the same transaction. */
function orphans(view: View, nodeId: string, ctx: CommandContext): Change[] {
  const changes: Change[] = [];
  for (const task of view.tasksOfNode(nodeId))
    if (!isTerminal(task.status.state)) changes.push(orphaned(task, ctx));
  if (changes.length >= limits.transactionChangesMax)
    throw new Fault(
      'FailedPrecondition',
      `node ${nodeId} has too many tasks (${changes.length}) to be removed at once; drain it first`,
    );
  return changes;
}

/** `{id, force?}` → `{}` */
export const nodeRemove: Command = {
  decide(view, ctx, input) {
    const body = new Body('node.remove', input);
    const { id, spec, status } = nodeOf(view, body.id());
    if (spec.Role === 'manager')
      throw new Fault(
        'FailedPrecondition',
        `node ${id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`,
      );
    if (!body.flag('force') && status.state === 'ready')
      throw new Fault('FailedPrecondition', `node ${id} is not down and can't be removed`);
    return { changes: [...orphans(view, id, ctx), { op: 'delete', kind: 'node', id }], result: {} };
  },
};
