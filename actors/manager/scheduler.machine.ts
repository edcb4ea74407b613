import { assign, fromPromise, setup } from 'xstate';

export interface SchedulerInput {
  readonly scope: AbortSignal;
  /** One pass over the tasks that wait for a node. */
  readonly pass: (scope: AbortSignal) => Promise<void>;
  /** Pause between two passes, ms: what comes in meanwhile is scheduled together. */
  readonly settleMs: number;
}
export type SchedulerEvent = { readonly type: 'dirty' };

/** The leader's scheduler: one pass at a time, again when tasks or nodes changed meanwhile. */
export const schedulerMachine = setup({
  types: {
    context: {} as SchedulerInput & { readonly dirty: boolean; readonly failures: number },
    events: {} as SchedulerEvent,
    input: {} as SchedulerInput,
  },
  actors: {
    pass: fromPromise<void, SchedulerInput>(({ input, signal }) =>
      input.pass(AbortSignal.any([signal, input.scope])),
    ),
  },
  guards: { isDirty: ({ context }) => context.dirty },
  delays: {
    settle: ({ context }) => context.settleMs,
    backoff: ({ context }) =>
      Math.min(1_000, context.settleMs * 2 ** Math.min(context.failures, 8)),
  },
}).createMachine({
  id: 'scheduler',
  context: ({ input }) => ({ ...input, dirty: false, failures: 0 }),
  initial: 'passing',
  on: { dirty: { actions: assign({ dirty: true }) } },
  states: {
    passing: {
      entry: assign({ dirty: false }),
      invoke: {
        src: 'pass',
        input: ({ context }) => context,
        onDone: { target: 'settling', actions: assign({ failures: 0 }) },
        onError: {
          target: 'failed',
          actions: assign(({ context }) => ({ failures: context.failures + 1 })),
        },
      },
    },
    failed: { after: { backoff: 'passing' } },
    settling: { after: { settle: 'idle' } },
    idle: { always: { guard: 'isDirty', target: 'passing' }, on: { dirty: 'passing' } },
  },
});
