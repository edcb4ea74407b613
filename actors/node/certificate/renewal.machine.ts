import { assign, fromPromise, setup } from 'xstate';
import { type HeldCertificate, renewalOf, renewalRetryAt } from '../../../domain/ca/renewal.ts';
import { errorText } from '../../../domain/errors.ts';
import type { Report } from '../../../supervisors/report.ts';

export interface RenewalInput {
  readonly scope: AbortSignal;
  /** The certificate in use. */
  readonly held: () => HeldCertificate;
  /** A renewal has begun and has not ended: it goes on at once, after a restart too. */
  readonly hasBegun: () => boolean;
  /** Gets a new one and takes it into use. Rejects when no manager gives one. */
  readonly renew: (scope: AbortSignal) => Promise<void>;
  /** Wall clock, ms. */
  readonly now: () => number;
  readonly random: () => number;
  readonly log: Report;
}
/** Somebody wants a new certificate now. */
export type RenewalEvent = { readonly type: 'renew' };

/** The wall clock may jump, and a machine may sleep: it is looked at this often, ms. */
const lookAgainMs = 600_000;

interface Context extends RenewalInput {
  /** When to renew, wall clock, ms. */
  readonly at: number;
  readonly failures: number;
}

/** Renews the node's certificate when `domain/ca/renewal.ts` says so, and again while that fails. */
export const renewalMachine = setup({
  types: { context: {} as Context, events: {} as RenewalEvent, input: {} as RenewalInput },
  actors: {
    renew: fromPromise<void, Context>(({ input, signal }) =>
      input.renew(AbortSignal.any([signal, input.scope])),
    ),
  },
  actions: {
    plan: assign(({ context }) => ({
      failures: 0,
      at: context.hasBegun() ? 0 : renewalOf(context.held(), {}, context.random()).at,
    })),
    logRenewed: ({ context }) => context.log('certificate_renewed', context.held()),
    recordFailure: assign(({ context }, { error }: { error: unknown }) => {
      const failures = context.failures + 1;
      const now = context.now();
      const at = renewalRetryAt(failures, context.held(), now, context.random());
      const reason = errorText(error);
      context.log('certificate_not_renewed', { error: reason, againInMs: at - now }, 'warn');
      return { failures, at };
    }),
  },
  guards: { isDue: ({ context }) => context.now() >= context.at },
  delays: { untilDue: ({ context }) => Math.min(lookAgainMs, context.at - context.now()) },
}).createMachine({
  id: 'renewal',
  context: ({ input }) => ({ ...input, at: 0, failures: 0 }),
  entry: 'plan',
  initial: 'resting',
  states: {
    resting: {
      always: { guard: 'isDue', target: 'renewing' },
      after: { untilDue: { target: 'resting', reenter: true } },
      on: { renew: 'renewing' },
    },
    renewing: {
      invoke: {
        src: 'renew',
        input: ({ context }) => context,
        onDone: { target: 'resting', actions: ['plan', 'logRenewed'] },
        onError: {
          target: 'resting',
          actions: { type: 'recordFailure', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
  },
});
