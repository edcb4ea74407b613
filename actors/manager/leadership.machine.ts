import { assign, fromCallback, fromPromise, setup } from 'xstate';

export interface LeadershipInput {
  readonly scope: AbortSignal;
  /** Brings this manager's replica to the end of the log. */
  readonly catchUp: (scope: AbortSignal) => Promise<void>;
  /** Writes the record that names this node leader; rejects when another was first. */
  readonly claim: (scope: AbortSignal) => Promise<void>;
  /** Runs the leader's actors until the returned function is called; `deposed` when another leads. */
  readonly lead: (deposed: () => void) => () => void;
  readonly log: (event: string, fields: object) => void;
}
type Event = { readonly type: 'deposed' };
type Context = LeadershipInput & { readonly failures: number };

/**
 * Leadership of the log: catch up, claim the next epoch, lead. The claim is a record like any other, so the log's
 * compare-and-swap lets one manager win. With one manager there is nobody to wait for.
 */
export const leadershipMachine = setup({
  types: { context: {} as Context, events: {} as Event, input: {} as LeadershipInput },
  actors: {
    catchUp: fromPromise<void, Context>(({ input, signal }) =>
      input.catchUp(AbortSignal.any([signal, input.scope])),
    ),
    claim: fromPromise<void, Context>(({ input, signal }) =>
      input.claim(AbortSignal.any([signal, input.scope])),
    ),
    lead: fromCallback<Event, Context>(({ input, sendBack }) =>
      input.lead(() => sendBack({ type: 'deposed' })),
    ),
  },
  actions: {
    complain: assign(({ context }, params: { error: unknown }) => {
      context.log('leadership_failed', { error: String(params.error) });
      return { failures: context.failures + 1 };
    }),
  },
  delays: { backoff: ({ context }) => Math.min(2_000, 50 * 2 ** Math.min(context.failures, 6)) },
}).createMachine({
  id: 'leadership',
  context: ({ input }) => ({ ...input, failures: 0 }),
  initial: 'catchingUp',
  states: {
    catchingUp: {
      invoke: {
        src: 'catchUp',
        input: ({ context }) => context,
        onDone: 'claiming',
        onError: {
          target: 'resting',
          actions: { type: 'complain', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    claiming: {
      invoke: {
        src: 'claim',
        input: ({ context }) => context,
        onDone: 'leading',
        onError: {
          target: 'resting',
          actions: { type: 'complain', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    leading: {
      entry: assign({ failures: 0 }),
      invoke: { src: 'lead', input: ({ context }) => context },
      on: { deposed: 'catchingUp' },
    },
    resting: { after: { backoff: 'catchingUp' } },
  },
});
