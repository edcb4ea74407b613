import { assign, sendTo, setup } from 'xstate';
import { type Assign, type LeaderTerm, type HelloReply, isNewer } from '../../bus/protocol.ts';
import type { NodeDescription } from '../../domain/model/objects.ts';
import { backoffMs } from './backoff.ts';
import {
  heartbeats,
  describe,
  busEvents,
  hello,
  type SessionContext,
  type SessionEvent,
  type SessionInput,
} from './session-actors.ts';
import { shortErrorText } from './task-status.ts';

/** How often the description is looked at again, ms (swarm-compat §4.6). */
const describeEveryMs = 20_000;
/** Limits of one look at the engine and of the way of the full set, ms. */
const describeLimitMs = 5_000;
const fullSetLimitMs = 5_000;

type Args = { context: SessionContext };
const told = ({ event }: { event: Extract<SessionEvent, { type: 'bus' }> }) => event;
const assigned = ({ event }: { event: Extract<SessionEvent, { type: 'assign' }> }) => event.assign;
const isStale = { type: 'isStale' as const, params: assigned };
const isNext = { type: 'isNext' as const, params: assigned };
const take = { type: 'take' as const, params: assigned };
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/**
 * The node's session with the leader: hello, the full set of assignments, then numbered increments, and heartbeats. Whatever
 * goes wrong (a gap, another session's assignment) ends in another hello after a pause that grows. A newer leader, a leader
 * that asks for a hello and a lost connection are no failures: what is planned, a renewed certificate or a manager that
 * stops, must not keep a node silent for longer than the leader waits for it.
 */
export const sessionMachine = setup({
  types: {
    context: {} as SessionContext,
    events: {} as SessionEvent,
    input: {} as SessionInput,
  },
  actors: { busEvents, heartbeats, describe, hello },
  actions: {
    countFailure: assign({ failures: ({ context }) => context.failures + 1 }),
    forgetFailures: assign({ failures: 0 }),
    // There is a leader that wants a hello: only as long a pause as spreads the hellos of many nodes.
    spread: assign({ failures: 1 }),
    openSession: assign({ session: ({ context }) => context.newId(), seq: 0, isSetOpen: true }),
    closeSession: assign({ session: '', seq: 0, isSetOpen: true }),
    describeNode: assign((_, description: NodeDescription) => ({ description })),
    accept: assign((_, reply: HelloReply) => (reply.ok ? { heartbeatMs: reply.heartbeatMs } : {})),
    applyNotice: assign((_, epoch: LeaderTerm) => ({ noticed: epoch })),
    obey: ({ context }, epoch: LeaderTerm) => context.gate.obey(epoch),
    count: assign((_, { seq, full, more }: Assign) => ({ seq, isSetOpen: full && more })),
    tellHeartbeats: sendTo('heartbeats', (_, { seq }: Assign) => ({ type: 'taken', seq })),
    heartbeatNow: sendTo('heartbeats', { type: 'now' }),
    take: ({ context }, message: Assign) => {
      context.gate.obey(message);
      context.onAssign(message);
    },
    announce: ({ context }) => context.onSession(context.session),
    renounce: ({ context }) => context.onSession(undefined),
    note: ({ context }, { event, cause }: { event: string; cause?: unknown }) =>
      context.log(event, cause === undefined ? {} : { error: shortErrorText(cause) }),
    warn: ({ context }, { event, cause }: { event: string; cause: unknown }) =>
      context.log(event, { error: shortErrorText(cause) }, 'warn'),
  },
  guards: {
    isConnected: (_, { connected }: { connected: boolean }) => connected,
    // It may be the full set itself that this connection does not bear.
    isCutShort: ({ context }, { connected }: { connected: boolean }) =>
      !connected && context.seq === 0,
    isDisconnected: ({ context }) => !context.bus.isConnected(),
    isStale: ({ context }, epoch: LeaderTerm) => context.gate.isStale(epoch),
    isNews: ({ context }, epoch: LeaderTerm) =>
      context.gate.isNew(epoch) &&
      (context.noticed === undefined || isNewer(epoch, context.noticed)),
    isNext: ({ context }, { session, seq, full }: Assign) =>
      session !== '' &&
      session === context.session &&
      seq === context.seq + 1 &&
      full === context.isSetOpen,
    isTaken: ({ context }, reply: HelloReply | undefined) =>
      reply !== undefined && reply.ok && !context.gate.isStale(reply),
    isChanged: ({ context }, description: NodeDescription) =>
      !same(description, context.description),
    // Belongs to no session: the leader asks for a hello.
    isPrompt: (_, { session }: Assign) => session === '',
    isKnown: ({ context }) => context.description !== undefined && context.engine() !== undefined,
    isDescribed: ({ context }) => context.description !== undefined,
    hasNoFullSet: ({ context }) => context.seq === 0,
  },
  delays: {
    backoff: ({ context }: Args) => backoffMs(context.failures, context.random()),
    describeEvery: describeEveryMs,
    describeLimit: describeLimitMs,
    fullSetLimit: fullSetLimitMs,
  },
}).createMachine({
  id: 'session',
  context: ({ input }) => ({
    ...input,
    session: '',
    seq: 0,
    isSetOpen: true,
    description: undefined,
    heartbeatMs: 0,
    failures: 0,
    noticed: undefined,
  }),
  invoke: { src: 'busEvents', input: ({ context }) => context },
  initial: 'connecting',
  on: {
    bus: [
      {
        guard: { type: 'isConnected', params: told },
        target: '.greeting',
      },
      // No failure: servers close connections when their certificates change, and when they stop.
      { target: '.connecting' },
    ],
    assign: [
      { guard: isStale, actions: { type: 'note', params: { event: 'stale_assignment' } } },
      { guard: isNext, actions: [{ type: 'count', params: assigned }, take] },
    ],
    notice: {
      guard: { type: 'isNews', params: ({ event }) => event.epoch },
      target: '.greeting',
      actions: [{ type: 'applyNotice', params: ({ event }) => event.epoch }, 'spread'],
    },
    resync: { target: '.greeting', actions: 'countFailure' },
  },
  states: {
    connecting: { on: { notice: {}, resync: {} } },
    greeting: {
      initial: 'pausing',
      states: {
        // an engine that is away is not asked what it is: it might not answer for long
        pausing: {
          after: { backoff: [{ guard: 'isKnown', target: 'hailing' }, { target: 'describing' }] },
        },
        describing: {
          on: { refresh: { target: 'describing', reenter: true } },
          invoke: {
            src: 'describe',
            input: ({ context }) => context,
            onDone: {
              target: 'hailing',
              actions: { type: 'describeNode', params: ({ event }) => event.output },
            },
            onError: [
              { guard: 'isDescribed', target: 'hailing' }, // the engine is away, the node is not
              {
                target: 'pausing',
                actions: [
                  'countFailure',
                  {
                    type: 'note',
                    params: ({ event }) => ({ event: 'not_described', cause: event.error }),
                  },
                ],
              },
            ],
          },
          after: {
            describeLimit: [
              { guard: 'isDescribed', target: 'hailing' },
              { target: 'pausing', actions: 'countFailure' },
            ],
          },
        },
        hailing: {
          entry: 'openSession',
          on: { refresh: 'describing' },
          invoke: {
            src: 'hello',
            input: ({ context }) => context,
            onDone: [
              {
                guard: { type: 'isTaken', params: ({ event }) => event.output },
                target: '#session.active',
                actions: [
                  { type: 'accept', params: ({ event }) => event.output as HelloReply },
                  { type: 'obey', params: ({ event }) => event.output as LeaderTerm & HelloReply },
                ],
              },
              {
                target: 'pausing',
                actions: [
                  'countFailure',
                  {
                    type: 'warn',
                    params: ({ event: { output } }) => ({
                      event: 'hello_refused',
                      cause:
                        output?.ok === false ? output.error.message : 'stale or unknown answer',
                    }),
                  },
                ],
              },
            ],
            onError: [
              {
                guard: 'isDisconnected',
                target: 'pausing',
              },
              {
                target: 'pausing',
                actions: [
                  'countFailure',
                  {
                    type: 'note',
                    params: ({ event }) => ({ event: 'hello_unanswered', cause: event.error }),
                  },
                ],
              },
            ],
          },
        },
      },
    },
    active: {
      entry: 'announce',
      exit: ['renounce', 'closeSession'],
      invoke: { id: 'heartbeats', src: 'heartbeats', input: ({ context }) => context },
      on: {
        bus: {
          guard: { type: 'isCutShort', params: told },
          target: 'connecting',
          actions: 'countFailure',
        },
        engine: { actions: 'heartbeatNow' },
        assign: [
          { guard: isStale, actions: { type: 'note', params: { event: 'stale_assignment' } } },
          {
            guard: isNext,
            actions: [
              { type: 'count', params: assigned },
              { type: 'tellHeartbeats', params: assigned },
              take,
            ],
          },
          {
            guard: { type: 'isPrompt', params: assigned },
            target: 'greeting',
            actions: ['spread', { type: 'note', params: { event: 'hello_wanted' } }],
          },
          {
            target: 'greeting',
            actions: ['countFailure', { type: 'note', params: { event: 'assignment_gap' } }],
          },
        ],
      },
      after: {
        fullSetLimit: [
          { guard: 'hasNoFullSet', target: 'greeting', actions: 'countFailure' },
          { actions: 'forgetFailures' },
        ],
      },
      initial: 'steady',
      states: {
        steady: { on: { refresh: 'checking' }, after: { describeEvery: 'checking' } },
        checking: {
          on: { refresh: { target: 'checking', reenter: true } },
          invoke: {
            src: 'describe',
            input: ({ context }) => context,
            onDone: [
              {
                guard: { type: 'isChanged', params: ({ event }) => event.output },
                target: '#session.greeting.hailing',
                actions: { type: 'describeNode', params: ({ event }) => event.output },
              },
              { target: 'steady' },
            ],
            onError: 'steady',
          },
          after: { describeLimit: 'steady' },
        },
      },
    },
  },
});
