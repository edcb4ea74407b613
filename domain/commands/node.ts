import { Fault } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Node, Task } from '../model/objects.ts';
import type { NodeSpec } from '../model/spec.ts';
import { isVoter, majorityOf } from '../members/form.ts';
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

/**
 * Swarm's rules: the last manager stays, and so does one without which the others would be no majority. Nobody stays for one whose
 * place is given up, though it is wanted again.
 */
function checkDemotion(view: View, node: Node): void {
  let staying = 0;
  let voters = 0;
  let reachable = 0;
  for (const other of view.list('node')) {
    if (other.id === node.id) continue;
    if (other.spec.Role === 'manager' && other.manager?.leaving !== true) staying += 1;
    if (!isVoter(other)) continue;
    voters += 1;
    if (other.manager?.reachability === 'reachable') reachable += 1;
  }
  if (staying === 0)
    throw new Fault('FailedPrecondition', 'attempting to demote the last manager of the swarm');
  if (isVoter(node) && reachable < majorityOf(voters))
    throw new Fault(
      'FailedPrecondition',
      "can't remove member from the raft: this would result in a loss of quorum",
    );
}

/** The role follows at once, but for a manager that has a part in the log: the leader takes it out first. */
function roleAfter(node: Node, spec: NodeSpec): Pick<Node, 'role'> {
  const stays = spec.Role === 'worker' && node.manager !== undefined;
  return { role: stays ? node.role : spec.Role };
}

/** `{id, version, spec}` → `{}`; the spec replaces the old one. */
export const nodeUpdate: Command = {
  decide(view, _ctx, input) {
    const body = new Body('node.update', input);
    const spec = nodeSpecFrom(body.raw('spec'));
    const node = nodeOf(view, body.id());
    if (node.spec.Role === 'manager' && spec.Role === 'worker') checkDemotion(view, node);
    checkVersion(node, body.version());
    const fields = { spec, ...roleAfter(node, spec) };
    return { changes: [{ op: 'patch', kind: 'node', id: node.id, fields }], result: {} };
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
    const { id, spec, role, status } = nodeOf(view, body.id());
    if (spec.Role === 'manager' || role === 'manager')
      throw new Fault(
        'FailedPrecondition',
        `node ${id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`,
      );
    if (!body.flag('force') && status.state === 'ready')
      throw new Fault('FailedPrecondition', `node ${id} is not down and can't be removed`);
    return { changes: [...orphans(view, id, ctx), { op: 'delete', kind: 'node', id }], result: {} };
  },
};
