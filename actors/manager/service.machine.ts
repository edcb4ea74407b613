import { assign, fromPromise, setup } from 'xstate';

/** What one look at a service came to. */
export interface PlanOutcome {
  /** The log's time, ms: look again then although nothing changed (restart delay, update delay, monitor). */
  readonly wakeAt?: number | undefined;
  /** The service is deleted and its last task too. */
  readonly gone: boolean;
  /** The plan changed nothing: what comes next is probably no news either. */
  readonly idle: boolean;
}
export interface ServiceInput {
  readonly plan: () => Promise<PlanOutcome>;
  /** The log's time, ms. */
  readonly now: () => number;
  /** Pauses after a plan, ms: what comes in meanwhile is planned together. */
  readonly settleMs: { readonly afterChange: number; readonly afterNothing: number };
}
interface ServiceContext extends ServiceInput {
  readonly dirty: boolean;
  readonly wakeAt: number | undefined;
  readonly idle: boolean;
  readonly failures: number;
}
/** The service, one of its tasks or a node that matters to it changed. */
export type ServiceEvent = { readonly type: 'dirty' };

/** Longest timer that Node takes, ms. */
const timerMsMax = 2_000_000_000;

/** One service on the leader: plans when something changed or a deadline passed, one plan at a time. */
export const serviceMachine = setup({
  types: {
    context: {} as ServiceContext,
    events: {} as ServiceEvent,
    input: {} as ServiceInput,
  },
  actors: {
    plan: fromPromise<PlanOutcome, ServiceContext>(({ input }) => input.plan()),
  },
  actions: {
    markDirty: assign({ dirty: true }),
  },
  guards: {
    isDirty: ({ context }) => context.dirty,
    hasDeadline: ({ context }) => context.wakeAt !== undefined,
  },
  delays: {
    settle: ({ context: { idle, settleMs } }) =>
      idle ? settleMs.afterNothing : settleMs.afterChange,
    untilWake: ({ context }) =>
      Math.min(timerMsMax, Math.max(1, (context.wakeAt ?? 0) - context.now())),
    backoff: ({ context }) => Math.min(5_000, 50 * 2 ** Math.min(context.failures, 8)),
  },
}).createMachine({
  id: 'service',
  context: ({ input }) => ({ ...input, dirty: false, wakeAt: undefined, idle: false, failures: 0 }),
  initial: 'planning',
  on: { dirty: { actions: 'markDirty' } },
  states: {
    planning: {
      entry: assign({ dirty: false }),
      invoke: {
        src: 'plan',
        input: ({ context }) => context,
        onDone: [
          { guard: ({ event }) => event.output.gone, target: 'gone' },
          {
            target: 'settling',
            actions: assign(({ event: { output } }) => ({
              wakeAt: output.wakeAt,
              idle: output.idle,
              failures: 0,
            })),
          },
        ],
        onError: {
          target: 'failed',
          actions: assign(({ context }) => ({ failures: context.failures + 1 })),
        },
      },
    },
    settling: { after: { settle: 'idle' } },
    idle: {
      always: [
        { guard: 'isDirty', target: 'planning' },
        { guard: 'hasDeadline', target: 'waiting' },
      ],
      on: { dirty: 'planning' },
    },
    waiting: { on: { dirty: 'planning' }, after: { untilWake: 'planning' } },
    failed: { after: { backoff: 'planning' } },
    gone: { type: 'final' },
  },
});
