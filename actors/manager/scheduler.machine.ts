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
    context: {} as SchedulerInput & { readonly dirty: boolean },
    events: {} as SchedulerEvent,
    input: {} as SchedulerInput,
  },
  actors: {
    pass: fromPromise<void, SchedulerInput>(({ input, signal }) =>
      input.pass(AbortSignal.any([signal, input.scope])),
    ),
  },
  guards: { isDirty: ({ context }) => context.dirty },
  delays: { settle: ({ context }) => context.settleMs },
}).createMachine({
  id: 'scheduler',
  context: ({ input }) => ({ ...input, dirty: false }),
  initial: 'passing',
  on: { dirty: { actions: assign({ dirty: true }) } },
  states: {
    passing: {
      entry: assign({ dirty: false }),
      invoke: {
        src: 'pass',
        input: ({ context }) => context,
        onDone: 'settling',
        onError: { target: 'settling', actions: assign({ dirty: true }) },
      },
    },
    settling: { after: { settle: 'idle' } },
    idle: { always: { guard: 'isDirty', target: 'passing' }, on: { dirty: 'passing' } },
  },
});
