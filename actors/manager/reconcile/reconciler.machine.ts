import { assign, fromPromise, setup } from 'xstate';

/** What one look at the state came to. */
export interface PlanOutcome {
  /** The log's time, ms: look again then although nothing changed (restart delay, update delay, monitor). */
  readonly wakeAt?: number | undefined;
  /** What the plan is about does not exist any more, and nothing of it is left to be done. */
  readonly gone: boolean;
  /** The plan changed nothing: what comes next is probably no news either. */
  readonly idle: boolean;
  /** What the plan left undone, and why. */
  readonly reasons?: readonly string[] | undefined;
}

/** Times of one kind of reconciler, ms. */
export interface Pace {
  /** Pauses after a plan: what comes in meanwhile is planned together. */
  readonly settleMs: { readonly afterChange: number; readonly afterNothing: number };
  /** Pause after a first failure, which doubles up to the last. */
  readonly retryMs: { readonly first: number; readonly last: number };
}

export interface ReconcilerInput extends Pace {
  readonly plan: () => Promise<PlanOutcome>;
  /** The log's time, ms. */
  readonly now: () => number;
  /** Hears what is left undone and why, whenever it is for other reasons than in the plan before. */
  readonly onReasons: (reasons: readonly string[]) => void;
}
interface ReconcilerContext extends ReconcilerInput {
  readonly dirty: boolean;
  readonly wakeAt: number | undefined;
  readonly idle: boolean;
  readonly failures: number;
  readonly reasons: readonly string[];
}
/** Something that the plan looks at has changed. */
export type ReconcilerEvent = { readonly type: 'dirty' };

/** Longest timer that Node takes, ms. */
const timerMsMax = 2_000_000_000;

/** The loop of every reconciler: plans when something changed or a deadline passed, one plan at a time. */
export const reconcilerMachine = setup({
  types: {
    context: {} as ReconcilerContext,
    events: {} as ReconcilerEvent,
    input: {} as ReconcilerInput,
  },
  actors: {
    plan: fromPromise<PlanOutcome, ReconcilerContext>(({ input }) => input.plan()),
  },
  actions: {
    markDirty: assign({ dirty: true }),
    noteReasons: ({ context }, reasons: readonly string[]) => {
      if (!sameKinds(reasons, context.reasons)) context.onReasons(reasons);
    },
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
    backoff: ({ context: { failures, retryMs } }) =>
      Math.min(retryMs.last, retryMs.first * 2 ** Math.min(failures - 1, 16)),
  },
}).createMachine({
  id: 'reconciler',
  context: ({ input }) => ({
    ...input,
    dirty: false,
    wakeAt: undefined,
    idle: false,
    failures: 0,
    reasons: [],
  }),
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
            actions: [
              { type: 'noteReasons', params: ({ event }) => event.output.reasons ?? [] },
              assign(({ event: { output } }) => ({
                wakeAt: output.wakeAt,
                idle: output.idle,
                reasons: output.reasons ?? [],
                failures: 0,
              })),
            ],
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

/** A reason ends with the number of those that it concerns, which changes with every step of a long update. */
const kindOf = (reason: string): string => reason.replace(/ \(\d+\)$/, '');

const sameKinds = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((reason, i) => kindOf(reason) === kindOf(b[i] ?? ''));
