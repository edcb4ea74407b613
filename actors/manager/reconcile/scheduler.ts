import type { Task } from '../../../domain/model/objects.ts';
import { Scheduler } from '../../../domain/schedule/schedule.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import { isTerminal } from '../../../domain/task-state.ts';
import { type ClusterReconciler, commitPlan, type ReconcilerPorts } from './reconciler.ts';
import type { Pace } from './reconciler.machine.ts';

const pace: Pace = {
  settleMs: { afterChange: 5, afterNothing: 5 },
  retryMs: { first: 10, last: 1_000 },
};

/** Nodes for the tasks that wait for one, a pass over all of them at a time. */
export function schedulerOf(ports: ReconcilerPorts): ClusterReconciler {
  const scheduler = new Scheduler(ports.view);
  return {
    name: 'scheduler',
    pace,
    observe(applied) {
      scheduler.observe(applied);
      return applied.some(concernsScheduler);
    },
    async plan() {
      const outcome = await commitPlan(ports, { part: 'scheduler' }, (view, ctx) => {
        const { changes, more } = scheduler.pass(view, ctx);
        return { changes, ...(more && { wakeAt: ctx.now }) };
      });
      for (const { kind, id, reason } of scheduler.takeFailures())
        ports.log('scheduling_failed', { [kind === 'node' ? 'member' : kind]: id, reason }, 'warn');
      return outcome;
    },
  };
}

/** A node changed, a task came to wait for a node, or one ended and left room. */
function concernsScheduler({ kind, before, after }: Applied): boolean {
  return kind === 'node' || (kind === 'task' && needsPass(before, after));
}

const needsPass = (before: Task | undefined, after: Task | undefined): boolean =>
  after?.status.state === 'pending' ||
  (before !== undefined &&
    !isTerminal(before.status.state) &&
    (after === undefined || isTerminal(after.status.state)));
