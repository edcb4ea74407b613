import { assign, fromCallback, setup } from 'xstate';
import type { LogAnswer } from '../../bus/log-bodies.ts';
import type { LogFeed } from './log-feed.ts';

export interface LogFeedInput {
  readonly feed: LogFeed;
  /** Reads the log into the feed until its end or the end of the scope. */
  readonly read: (onFirst: () => void) => void;
  /** Nobody asks any more: how long the reading goes on, ms. */
  readonly leaseMs: number;
}

export interface NextAsk {
  readonly seq: number;
  readonly bytes: number;
  readonly holdMs: number;
  readonly reply: (answer: LogAnswer) => void;
}
export type LogFeedEvent =
  | { readonly type: 'next'; readonly ask: NextAsk }
  | { readonly type: 'keep'; readonly reply: (answer: LogAnswer) => void }
  /** There is something to send. */
  | { readonly type: 'news' }
  | { readonly type: 'close' };

interface LogFeedContext extends LogFeedInput {
  /** The question that waits for a line. */
  readonly waiting: NextAsk | undefined;
}

const reading = fromCallback<LogFeedEvent, LogFeedInput>(({ input, sendBack }) => {
  input.read(() => sendBack({ type: 'news' }));
});

const asked = ({ event }: { event: Extract<LogFeedEvent, { type: 'next' }> }): NextAsk => event.ask;
const replyOf = ({ event }: { event: Extract<LogFeedEvent, { type: 'keep' }> }) => event.reply;

/** One log that is read for one manager: answers what is asked, and ends when nobody has asked for a while. */
export const logFeedMachine = setup({
  types: {
    context: {} as LogFeedContext,
    events: {} as LogFeedEvent,
    input: {} as LogFeedInput,
  },
  actors: { reading },
  actions: {
    repeat: ({ context }, { reply }: NextAsk) => reply(context.feed.repeat()),
    refuse: (_, { reply }: NextAsk) => reply(outOfOrder),
    answer: ({ context }, { reply, bytes }: NextAsk) => reply(context.feed.next(bytes)),
    answerWaiting: ({ context: { waiting, feed } }) => waiting?.reply(feed.next(waiting.bytes)),
    confirm: ({ context }, reply: (answer: LogAnswer) => void) => reply(context.feed.repeat()),
    wait: assign((_, ask: NextAsk) => ({ waiting: ask })),
  },
  guards: {
    isRepeat: ({ context }, { seq }: NextAsk) => context.feed.isRepeat(seq),
    isOutOfOrder: ({ context }, { seq }: NextAsk) => !context.feed.isNext(seq),
    hasNews: ({ context }) => context.feed.hasNews,
  },
  delays: {
    lease: ({ context }) => context.leaseMs,
    hold: ({ context }) => context.waiting?.holdMs ?? 0,
  },
}).createMachine({
  id: 'logFeed',
  context: ({ input }) => ({ ...input, waiting: undefined }),
  invoke: { src: 'reading', input: ({ context }) => context },
  initial: 'idle',
  on: {
    close: '.ended',
    next: [
      {
        guard: { type: 'isRepeat', params: asked },
        target: '.idle',
        actions: { type: 'repeat', params: asked },
      },
      {
        guard: { type: 'isOutOfOrder', params: asked },
        actions: { type: 'refuse', params: asked },
      },
      {
        guard: 'hasNews',
        target: '.idle',
        actions: { type: 'answer', params: asked },
      },
      { target: '.holding', actions: { type: 'wait', params: asked } },
    ],
  },
  states: {
    idle: {
      after: { lease: 'ended' },
      on: {
        keep: {
          target: 'idle',
          reenter: true,
          actions: { type: 'confirm', params: replyOf },
        },
      },
    },
    holding: {
      after: { hold: { target: 'idle', actions: 'answerWaiting' } },
      on: { news: { target: 'idle', actions: 'answerWaiting' } },
    },
    ended: { type: 'final' },
  },
});

const outOfOrder: LogAnswer = {
  ok: false,
  error: { code: 'NotFound', message: 'that answer is not kept any more', origin: 'manager' },
};
