import type { Plan } from '../../../domain/orchestrate/plan.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import type { Context, View } from '../../../domain/store/view.ts';
import type { Report } from '../../../supervisors/report.ts';
import type { Committed, Decide } from '../committer.ts';
import { isLostLeadership, isNoLeader } from '../faults.ts';
import type { Pace, PlanOutcome } from './reconciler.machine.ts';

/** A controller of all objects of a kind, as data: each object has an actor of its own, which makes the plan. */
export interface ObjectReconciler {
  /** Its place below the leader in the tree. */
  readonly name: string;
  /** By which the log names an object of the kind. */
  readonly field: string;
  readonly pace: Pace;
  /** The objects that a new leader looks at. */
  readonly all: (view: View) => Iterable<string>;
  /** The objects whose plan may have changed by what was committed. */
  readonly keys: (applied: readonly Applied[], view: View) => Iterable<string>;
  /** False while an object without an actor needs none. */
  readonly needsActor?: (view: View, key: string) => boolean;
  /** Pure; made again on its own result it changes nothing. Each prefix of its changes is safe. */
  readonly plan: (view: View, key: string, ctx: Context) => Plan;
  /** What the object is in, in its own words; for the tree. `isSettled`: the last plan changed nothing and left nothing undone. */
  readonly phase?: (view: View, key: string, isSettled: boolean) => string;
  /** The object is deleted and nothing of it is left: its actor ends, once a plan has nothing to change. */
  readonly isGone: (view: View, key: string) => boolean;
}

/** A controller that the leader has one of. It may ask what is outside of the state. */
export interface ClusterReconciler {
  readonly name: string;
  readonly pace: Pace;
  /** Whether a plan may be due after what was committed. */
  readonly observe: (applied: readonly Applied[]) => boolean;
  /** Rejects when the step failed: it is tried again. */
  readonly plan: () => Promise<PlanOutcome>;
}

export interface ReconcilerPorts {
  readonly view: View;
  readonly propose: <T>(decide: Decide<T>) => Promise<Committed<T>>;
  readonly log: Report;
}

/** What most plans take: what comes in within a moment is planned together. */
export const commonPace: Pace = {
  settleMs: { afterChange: 10, afterNothing: 50 },
  retryMs: { first: 100, last: 5_000 },
};

/**
 * Commits a pure plan. One of which only the first changes fit into a record goes on at once. A failure says so,
 * unless it came about because this leader is one no more.
 * @param about what the log is to say of the plan
 */
export async function commitPlan(
  { propose, log }: ReconcilerPorts,
  about: object,
  plan: (view: View, ctx: Context) => Plan,
  isGone: (view: View) => boolean = () => false,
): Promise<PlanOutcome> {
  try {
    const { result } = await propose<PlanOutcome>((view, ctx) => {
      const { changes, wakeAt, reasons } = plan(view, ctx);
      const idle = changes.length === 0;
      return {
        changes,
        result: { wakeAt, gone: idle && isGone(view), idle, reasons },
        cut: { result: { wakeAt: ctx.now, gone: false, idle: false, reasons } },
      };
    });
    return result;
  } catch (error) {
    if (!isNoLeader(error) && !isLostLeadership(error))
      log('plan_failed', { ...about, error }, 'warn');
    throw error;
  }
}
