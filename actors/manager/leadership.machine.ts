import { type ActorRefFrom, assign, fromCallback, fromPromise, setup } from 'xstate';
import type { Report } from '../../supervisors/report.ts';
import { termMs } from './quorum.ts';

export interface LeadershipInput {
  readonly scope: AbortSignal;
  /** 0 ≤ x < 1; spreads the tries of several followers. */
  readonly random: () => number;
  /** How long ago a leader was heard last, ms; as of its begin where none has been. */
  readonly heardFor: () => number;
  /** No other manager is there to wait for, to ask or to lose against. */
  readonly isAlone: () => boolean;
  /** Brings this manager's replica to the end of the log. */
  readonly catchUp: (scope: AbortSignal) => Promise<void>;
  /** Keeps the replica there until the returned function is called. */
  readonly follow: () => () => void;
  /** Asks the other managers; true when a majority hears no leader either. */
  readonly preVote: (scope: AbortSignal) => Promise<boolean>;
  /** Writes the record that names this node leader; rejects when another was first. */
  readonly claim: (scope: AbortSignal) => Promise<void>;
  /** Runs the leader's actors until the returned function is called; `deposed` when another leads. */
  readonly lead: (deposed: () => void) => () => void;
  readonly log: Report;
}
export type LeadershipEvent =
  | { readonly type: 'deposed' }
  /** What the log says and what this manager knows do not fit together. */
  | { readonly type: 'doubted' }
  /** A leader was heard. */
  | { readonly type: 'heard' }
  /** The leader has said that it lets go. */
  | { readonly type: 'released' };
type Context = LeadershipInput & { readonly failures: number };

/** Pause of a follower that was told to hurry, and between two tries to lead, ms; drawn from 0 and `least` up. */
const hurryMsMax = 30;
const retryMs = { least: 200, spread: 400 } as const;
/** Failures in a row from which on there is something wrong: another manager is faster, or the log is not up yet. */
const failuresTold = 3;

/** What is left of the time of silence. One that was over before this manager listened does not count. */
function silenceLeft({ heardFor }: Context): number {
  const silent = heardFor();
  return silent < termMs.silence ? termMs.silence - silent : termMs.silence;
}

const within = ({ input, signal }: { input: Context; signal: AbortSignal }): AbortSignal =>
  AbortSignal.any([signal, input.scope]);

/**
 * Leadership of the log: catch up, follow while a leader is heard, claim the next epoch when none is, lead. The claim is
 * a record like any other, so the log's compare-and-swap lets one manager win. A manager that is alone has nobody to
 * wait for: it claims at once.
 */
export const leadershipMachine = setup({
  types: { context: {} as Context, events: {} as LeadershipEvent, input: {} as LeadershipInput },
  actors: {
    catchUp: fromPromise<void, Context>((args) => args.input.catchUp(within(args))),
    follow: fromCallback<LeadershipEvent, Context>(({ input }) => input.follow()),
    preVote: fromPromise<boolean, Context>(async (args) => {
      const scope = within(args);
      await args.input.catchUp(scope);
      return args.input.preVote(scope);
    }),
    claim: fromPromise<void, Context>((args) => args.input.claim(within(args))),
    lead: fromCallback<LeadershipEvent, Context>(({ input, sendBack }) =>
      input.lead(() => sendBack({ type: 'deposed' })),
    ),
  },
  actions: {
    recordFailure: assign(({ context }, params: { error: unknown }) => {
      const failures = context.failures + 1;
      const fields = { error: String(params.error) };
      if (failures < failuresTold) context.log('leadership_delayed', fields);
      else context.log('leadership_failed', fields, 'warn');
      return { failures };
    }),
  },
  guards: {
    isAlone: ({ context }) => context.isAlone(),
    isWanted: (_, wanted: boolean) => wanted,
    hears: ({ context }) => context.heardFor() < termMs.silence,
  },
  delays: {
    backoff: ({ context }) => Math.min(2_000, 50 * 2 ** Math.min(context.failures, 6)),
    silence: ({ context }) => silenceLeft(context) + context.random() * termMs.silenceJitter,
    hurry: ({ context }) => context.random() * hurryMsMax,
    retry: ({ context }) => retryMs.least + context.random() * retryMs.spread,
  },
}).createMachine({
  id: 'leadership',
  context: ({ input }) => ({ ...input, failures: 0 }),
  initial: 'catchingUp',
  states: {
    catchingUp: {
      invoke: {
        src: 'catchUp',
        input: ({ context }) => context,
        onDone: [{ guard: 'isAlone', target: 'claiming' }, { target: 'following' }],
        onError: {
          target: 'resting',
          actions: { type: 'recordFailure', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    following: {
      invoke: { src: 'follow', input: ({ context }) => context },
      initial: 'listening',
      on: { heard: '.listening', released: '.hurrying', doubted: 'catchingUp' },
      states: {
        listening: {
          after: {
            silence: [
              { guard: 'hears', target: 'listening', reenter: true },
              { target: 'preVoting' },
            ],
          },
        },
        hurrying: { after: { hurry: 'preVoting' } },
        preVoting: {
          invoke: {
            src: 'preVote',
            input: ({ context }) => context,
            onDone: [
              {
                guard: { type: 'isWanted', params: ({ event }) => event.output },
                target: '#leadership.claiming',
              },
              { target: 'pausing' },
            ],
            // the log is away, or this manager is cut off: it hears of a leader again, or tries again
            onError: 'pausing',
          },
        },
        pausing: { after: { retry: 'preVoting' } },
      },
    },
    claiming: {
      invoke: {
        src: 'claim',
        input: ({ context }) => context,
        onDone: 'leading',
        onError: [
          {
            guard: 'isAlone',
            target: 'resting',
            actions: { type: 'recordFailure', params: ({ event }) => ({ error: event.error }) },
          },
          {
            target: 'following.pausing',
            actions: { type: 'recordFailure', params: ({ event }) => ({ error: event.error }) },
          },
        ],
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

/** A leader was heard: a follower that listens finds that out when its time of silence is over, by `heardFor`. */
export function hearLeader(actor: ActorRefFrom<typeof leadershipMachine>): void {
  if (!actor.getSnapshot().matches({ following: 'listening' })) actor.send({ type: 'heard' });
}
