import { assign, fromPromise, setup, type SnapshotFrom } from 'xstate';
import type { Assign, LeaderTerm, Hello, HelloReply } from '../../bus/protocol.ts';
import { wireFault } from '../../bus/wire-fault.ts';
import type { EngineTrouble } from '../../domain/assign/engine-status.ts';
import type { HeartbeatPeriod } from '../../domain/assign/heartbeat.ts';
import type { Clock } from '../../supervisors/clock.ts';
import { AssignmentFeed, type Parts, promptFor } from './assignment-feed.ts';

export interface NodeInput {
  readonly nodeId: string;
  readonly epoch: LeaderTerm;
  readonly clock: Pick<Clock, 'now'>;
  /** As it is to be now; the same object for as long as nothing about it changes. */
  readonly heartbeatPeriod: () => HeartbeatPeriod;
  /** Takes one of the sessions that may begin anew in a while because of their heartbeat; false when there is none left. */
  readonly mayRenew: () => boolean;
  /** Whether this leader is on the bus and may speak: only then a node's silence says anything about it. */
  readonly hearsNodes: () => boolean;
  /** Commits what a hello says; resolves when the node is ready in the store. */
  readonly ready: (hello: Hello) => Promise<void>;
  /** Hears with each heartbeat of the session why the node's engine is away, if it is. */
  readonly engine: (trouble: EngineTrouble | undefined) => void;
  /** Resolves when this leader has handled all that had come for it: a heartbeat may be among it. */
  readonly caughtUp: (scope: AbortSignal) => Promise<void>;
  /** Commits that the node fell silent, unless it is heard again before that is proposed. */
  readonly silent: (scope: AbortSignal) => Promise<void>;
  /** Commits that the node has left. */
  readonly left: () => Promise<void>;
  /** What the node has to be told in the session that this hello opens: all that it has to have now, to begin with. */
  readonly parts: (hello: Hello) => Parts;
  readonly send: (assign: Assign) => void;
}
export type NodeEvent =
  | { readonly type: 'hello'; readonly hello: Hello; readonly reply: (reply: HelloReply) => void }
  | {
      readonly type: 'heartbeat';
      readonly session: string;
      readonly seq?: number;
      readonly engine?: EngineTrouble;
    }
  /** Heartbeats are missing. */
  | { readonly type: 'overdue' }
  /** There is news for the node about these tasks. */
  | { readonly type: 'changed'; readonly ids: readonly string[] }
  /** The node leaves the swarm: nothing more is to come from it. `reply`: that is written down. */
  | { readonly type: 'leave'; readonly reply?: () => void }
  /** A server closes nodes' connections on purpose: a node that has to come back has `graceMs` for it. */
  | { readonly type: 'excuse' }
  /** This leader's own connection to the bus was lost or is back: silence says nothing about the node then. */
  | { readonly type: 'bus'; readonly connected: boolean };

interface NodeContext extends NodeInput {
  /** As the node was told. */
  readonly told: HeartbeatPeriod;
  /** When a heartbeat was heard last, on the clock, ms. Heartbeats write it beside the machine: most of them change nothing else. */
  readonly heard: { at: number };
  readonly session: string;
  /** The session's assignments, once its hello is committed. */
  readonly feed: AssignmentFeed | undefined;
  readonly pending: Extract<NodeEvent, { type: 'hello' }> | undefined;
}
type HeartbeatEvent = Extract<NodeEvent, { type: 'heartbeat' }>;
const heartbeatOf = ({ event }: { event: HeartbeatEvent }) => event;
const changed = {
  actions: {
    type: 'tell' as const,
    params: ({ event }: { event: Extract<NodeEvent, { type: 'changed' }> }) => event.ids,
  },
};
/** Heartbeats missed after which a node counts as silent where others are lost. */
const lateHeartbeats = 2;
const noteHeartbeat = { type: 'noteHeartbeat', params: heartbeatOf } as const;
const hearEngine = { type: 'hearEngine', params: heartbeatOf } as const;
/** Ends the node's silence; one that misses an assignment is asked for a new session. */
const heartbeat = [
  {
    guard: { type: 'stalledHeartbeat', params: heartbeatOf },
    target: '#node.active',
    reenter: true,
    actions: ['prompt', noteHeartbeat, hearEngine, 'hear'],
  },
  {
    guard: { type: 'ownHeartbeat', params: heartbeatOf },
    target: '#node.active',
    reenter: true,
    actions: [noteHeartbeat, hearEngine, 'hear'],
  },
] as const;
/** What a node with a session does in whatever state of silence. */
const inSession = { heartbeat, changed, excuse: 'excused' } as const;

/** A node that is not heard is lost once its silence is not this leader's own slowness. */
const catchUp = {
  src: 'catchUp',
  input: ({ context }: { context: NodeContext }) => context,
  onDone: '#node.lost',
  onError: '#node.unseen',
} as const;

/**
 * One node as the leader sees it: its session (hello, the full set, then numbered increments) and its silence.
 * It exists once a leader, whatever the node does; a new leader waits `graceMs` for the hello. A node that sends heartbeats without
 * a session here (it was taken for silent, or has not heard of this leader) is asked for one. While this leader itself
 * is off the bus, or has yet to handle what has come for it, no node is taken for silent; a node whose connection was closed on purpose has longer to come back.
 */
export const nodeMachine = setup({
  types: { context: {} as NodeContext, events: {} as NodeEvent, input: {} as NodeInput },
  actors: {
    register: fromPromise<void, NodeContext>(async ({ input }) => {
      if (input.pending !== undefined) await input.ready(input.pending.hello);
    }),
    catchUp: fromPromise<void, NodeContext>(({ input, signal }) => input.caughtUp(signal)),
    declareSilent: fromPromise<void, NodeContext>(({ input, signal }) => input.silent(signal)),
    declareLeft: fromPromise<void, Pick<NodeContext, 'left'> & { readonly event: NodeEvent }>(
      async ({ input: { left, event } }) => {
        await left();
        if (event.type === 'leave') event.reply?.();
      },
    ),
  },
  actions: {
    take: assign(({ context }, params: { event: Extract<NodeEvent, { type: 'hello' }> }) => ({
      told: context.heartbeatPeriod(),
      pending: params.event,
      session: params.event.hello.session,
      feed: undefined,
    })),
    welcome: ({ context: { pending, epoch, told } }) =>
      pending?.reply({ ok: true, ...epoch, heartbeatMs: told.everyMs }),
    open: assign(({ context: { pending, epoch, session, parts, send } }) =>
      pending === undefined
        ? {}
        : { feed: new AssignmentFeed({ epoch, session, parts: parts(pending.hello), send }) },
    ),
    begin: ({ context }) => context.feed?.begin(),
    refuse: ({ context }, params: { error: unknown }) =>
      context.pending?.reply({ ok: false, error: wireFault(params.error) }),
    forgetHello: assign({ pending: undefined }),
    // Belongs to no session: to the agent a gap, so it says hello.
    prompt: ({ context }) => context.send(promptFor(context.epoch)),
    tell: ({ context }, ids: readonly string[]) => context.feed?.add(ids),
    hearEngine: ({ context }, { engine }: HeartbeatEvent) => context.engine(engine),
    noteHeartbeat: ({ context }, { seq }: HeartbeatEvent) =>
      context.feed?.take(seq ?? Number.MAX_SAFE_INTEGER),
    hear: ({ context: { heard, clock } }) => {
      heard.at = clock.now();
    },
  },
  guards: {
    isDeaf: ({ context }) => !context.hearsNodes(),
    offBus: (_, params: { connected: boolean }) => !params.connected,
    hasSession: ({ context }) => context.session !== '',
    ownHeartbeat: ({ context }, { session }: HeartbeatEvent) => session === context.session,
    stalledHeartbeat: ({ context }, heartbeat: HeartbeatEvent) =>
      heartbeat.session === context.session &&
      heartbeat.seq !== undefined &&
      context.feed?.isLost(heartbeat.seq) === true,
  },
  delays: {
    // two heartbeats: when the first of several nodes that were lost together is declared down, the others are late
    silence: ({ context: { told, heard, clock } }) => heard.at + told.silenceMs - clock.now(),
    grace: ({ context }) => context.told.graceMs,
    heartbeat: ({ context }) => context.told.everyMs,
    // heartbeats that came in while this process was busy are handled before it is over
    lastCall: ({ context }) => context.told.everyMs / 2,
  },
}).createMachine({
  id: 'node',
  context: ({ input }) => ({
    ...input,
    told: input.heartbeatPeriod(),
    heard: { at: 0 },
    session: '',
    feed: undefined,
    pending: undefined,
  }),
  initial: 'unseen',
  on: {
    hello: {
      target: '.registering',
      actions: { type: 'take', params: ({ event }) => ({ event }) },
    },
    leave: '.leaving',
    bus: {
      guard: { type: 'offBus', params: ({ event }) => event },
      target: '.blind',
    },
  },
  states: {
    blind: {
      on: {
        bus: [{ guard: { type: 'offBus', params: ({ event }) => event } }, { target: 'unseen' }],
      },
    },
    unseen: {
      always: { guard: 'isDeaf', target: 'blind' },
      on: { heartbeat: { actions: 'prompt' } },
      after: { grace: 'unheard' },
    },
    unheard: {
      on: { heartbeat: { actions: 'prompt' } },
      invoke: catchUp,
    },
    registering: {
      invoke: {
        src: 'register',
        input: ({ context }) => context,
        onDone: { target: 'active', actions: ['welcome', 'open', 'begin', 'forgetHello', 'hear'] },
        onError: {
          target: 'unseen',
          actions: [
            { type: 'refuse', params: ({ event }) => ({ error: event.error }) },
            'forgetHello',
          ],
        },
      },
    },
    active: {
      on: { ...inSession, overdue: 'late' },
    },
    late: {
      on: inSession,
      after: { silence: 'suspect' },
    },
    suspect: {
      on: inSession,
      after: { lastCall: 'behind' },
    },
    behind: {
      on: inSession,
      invoke: catchUp,
    },
    // Counted from the first excuse since the node was heard: one that is gone is found out, however many follow.
    excused: {
      on: { changed, excuse: {} },
      after: { grace: 'behind' },
      initial: 'closing',
      states: {
        // A heartbeat may have been sent before the connection was closed: it says nothing about the node being back.
        closing: {
          on: {
            heartbeat: {
              guard: { type: 'ownHeartbeat', params: heartbeatOf },
              actions: [noteHeartbeat, hearEngine],
            },
          },
          after: { heartbeat: 'away' },
        },
        away: { on: { heartbeat } },
      },
    },
    lost: {
      on: { excuse: [{ guard: 'hasSession', target: 'excused' }, { target: 'unseen' }] },
      invoke: {
        src: 'declareSilent',
        input: ({ context }) => context,
        onDone: 'down',
        onError: 'unseen',
      },
    },
    leaving: {
      invoke: {
        src: 'declareLeft',
        input: ({ context: { left }, event }) => ({ left, event }),
        onDone: 'down',
        onError: 'unseen',
      },
    },
    down: { on: { heartbeat: { actions: 'prompt' } } },
  },
});

interface NodeActor {
  getSnapshot(): unknown;
  send(event: NodeEvent): void;
}
const snapshotOf = (actor: NodeActor) => actor.getSnapshot() as SnapshotFrom<typeof nodeMachine>;

/**
 * What a heartbeat does. In the steady state of a session that is to write down when it was heard, which needs no transition of
 * the machine: a large cluster standing still consists of nothing else. A node that is to have another heartbeat than it was
 * told is asked for a new session.
 */
export function hearHeartbeat(actor: NodeActor, heartbeat: Omit<HeartbeatEvent, 'type'>): void {
  const { value, context } = snapshotOf(actor);
  const { session, feed, heard, clock, engine, told, heartbeatPeriod, mayRenew, send, epoch } =
    context;
  const isSteady =
    value === 'active' && heartbeat.session === session && heartbeat.engine === undefined;
  if (!isSteady || feed?.isSettled(heartbeat.seq) !== true)
    return actor.send({ type: 'heartbeat', ...heartbeat });
  heard.at = clock.now();
  engine(undefined);
  if (told !== heartbeatPeriod() && mayRenew()) send(promptFor(epoch));
}

/** Tells a node's actor when heartbeats are missing. To be asked twice a heartbeat: one timer for all nodes, not one for each. */
export function lookForHeartbeats(actor: NodeActor): void {
  const { value, context } = snapshotOf(actor);
  const { heard, told, clock } = context;
  if (value === 'active' && clock.now() - heard.at >= told.everyMs * lateHeartbeats)
    actor.send({ type: 'overdue' });
}

const silentStates: readonly unknown[] = ['unseen', 'unheard', 'late', 'suspect', 'behind', 'lost'];

/** Whether a node is about to be taken for lost. */
export const isSilent = (actor: NodeActor | undefined): boolean =>
  actor !== undefined && silentStates.includes(snapshotOf(actor).value);
