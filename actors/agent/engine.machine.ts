import { assign, fromPromise, setup } from 'xstate';
import { shortErrorText } from './task-status.ts';

export interface EngineInput {
  /** Resolves when the engine answers, rejects with what is wrong with it. May take for ever. */
  readonly check: (scope: AbortSignal) => Promise<void>;
  /** Hears why the engine is taken for away, and undefined whenever it answers: an earlier incarnation may have said otherwise. */
  readonly onState: (error: string | undefined) => void;
  readonly scope: AbortSignal;
}

/** From one answer to the next question, and from a question that failed to the next one, ms. */
const restMs = 2_000;
const retryMs = 500;
/** An engine that has not answered one question for so long hangs, ms. */
const answerLimitMs = 2_000;
/** It is away when it has answered nothing for so long, ms: a restart of the engine is over by then as a rule. */
const awayMs = 5_000;

const hangs = `the engine is away: no answer to a ping in ${answerLimitMs / 1_000} s`;

interface EngineContext extends EngineInput {
  /** What the last question failed with. */
  readonly error: string;
}

/** Asks until there is an answer. */
const insisting = {
  initial: 'asking',
  states: {
    asking: {
      invoke: {
        src: 'check',
        input: ({ context }: { context: EngineContext }) => context,
        onDone: '#engine.resting',
        onError: {
          target: 'pausing',
          actions: {
            type: 'note',
            params: ({ event }: { event: { error: unknown } }) => ({
              error: shortErrorText(event.error),
            }),
          },
        },
      },
      after: {
        answerLimitMs: { target: 'pausing', actions: { type: 'note', params: { error: hangs } } },
      },
    },
    pausing: { after: { retryMs: 'asking' } },
  },
} as const;

/**
 * Whether the node's engine answers: one that was killed refuses connections, one that hangs takes them and says
 * nothing. Nothing else depends on it here: the leader is told, and decides.
 */
export const engineMachine = setup({
  types: { context: {} as EngineContext, input: {} as EngineInput },
  actors: {
    check: fromPromise<void, EngineContext>(({ input, signal }) =>
      input.check(AbortSignal.any([signal, input.scope])),
    ),
  },
  actions: {
    note: assign((_, { error }: { error: string }) => ({ error })),
    tellAway: ({ context }) => context.onState(context.error),
    tellWell: ({ context }) => context.onState(undefined),
  },
  delays: { restMs, retryMs, answerLimitMs, awayMs },
}).createMachine({
  id: 'engine',
  context: ({ input }) => ({ ...input, error: '' }),
  initial: 'doubtful',
  states: {
    resting: { entry: 'tellWell', after: { restMs: 'doubtful' } },
    doubtful: { ...insisting, after: { awayMs: 'away' } },
    away: { ...insisting, entry: 'tellAway' },
  },
});
