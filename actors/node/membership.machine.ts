import { assign, type ErrorActorEvent, fromPromise, setup } from 'xstate';
import { daemonFault, Fault } from '../../domain/errors.ts';
import {
  type Change,
  type Course,
  courseOf,
  hasRoomFor,
  type MembershipFacts,
  type MembershipSteps,
} from './membership.ts';
import { text } from './swarm-texts.ts';

/** Hears what became of a change. */
export interface Reply {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}
interface Asked {
  readonly change: Change;
  readonly reply: Reply;
}

export interface MembershipInput {
  readonly facts: MembershipFacts;
  readonly steps: MembershipSteps;
}
export type MembershipEvent =
  | ({ readonly type: 'ask' } & Asked)
  /** What the node is on its disk is known. */
  | { readonly type: 'begin' };

interface Context extends MembershipInput {
  /** Changes that wait for their turn, in the order in which they were asked for. */
  readonly waiting: readonly Asked[];
  /** The change under way, while its end is awaited, and what becomes of it. */
  readonly current: (Asked & { readonly course: Course }) | undefined;
}

/** As long as Docker's daemon waits for a join, ms; it goes on afterwards. */
export const joinPatienceMs = 20_000;

/** What becomes of the change whose turn it is; undefined while none waits. */
function nextCourse({ waiting, facts }: Context, isJoining: boolean): Course | undefined {
  const [next] = waiting;
  return next && courseOf(next.change, facts, isJoining);
}

async function perform({ steps, current }: Context): Promise<unknown> {
  if (current === undefined) return undefined;
  const { change, course } = current;
  switch (change.kind) {
    case 'init':
      return course === 'forcingNewCluster'
        ? steps.forceNewCluster(change.request)
        : steps.init(change.request);
    case 'join':
      return steps.rejoin(change.request);
    case 'leave':
      return steps.leave();
    case 'unlock':
      return course === 'refusingUnlock' ? steps.refuseUnlock() : steps.unlock(change.key);
    case 'follow':
      return steps.follow();
    case 'role':
      return steps.changeRole(change.role);
    case 'move':
      return steps.move(change.addresses);
    case 'restart':
      return steps.restart(change.identity, change.isElsewhere);
  }
}

async function join({ steps, current }: Context, signal: AbortSignal): Promise<void> {
  if (current?.change.kind === 'join') await steps.join(current.change.request, signal);
}

const membership = setup({
  types: {
    context: {} as Context,
    events: {} as MembershipEvent,
    input: {} as MembershipInput,
    tags: {} as 'replacing' | 'joining',
  },
  actors: {
    perform: fromPromise<unknown, Context>(({ input }) => perform(input)),
    join: fromPromise<void, Context>(({ input, signal }) => join(input, signal)),
    comeUp: fromPromise<void, Context>(({ input }) => input.steps.comeUp()),
  },
  actions: {
    enqueue: assign(({ context }, { change, reply }: Asked) => ({
      waiting: [...context.waiting, { change, reply }],
    })),
    turnAway: (_, { reply }: Asked) =>
      reply.reject(daemonFault('ResourceExhausted', text.tooManyChanges)),
    take: assign(({ context }) => {
      const [next, ...waiting] = context.waiting;
      const course = nextCourse(context, false);
      return { waiting, current: next && course && { ...next, course } };
    }),
    /** The change whose turn it is has nothing to do, or is refused. */
    decline: ({ context }, { isJoining }: { isJoining: boolean }) => {
      const course = nextCourse(context, isJoining);
      const reply = context.waiting[0]?.reply;
      if (course instanceof Fault) reply?.reject(course);
      else reply?.resolve(undefined);
    },
    drop: assign(({ context }) => ({ waiting: context.waiting.slice(1) })),
    answer: ({ context }, { result }: { result: unknown }) =>
      context.current?.reply.resolve(result),
    refuse: ({ context }, { error }: { error: unknown }) => context.current?.reply.reject(error),
    release: assign({ current: undefined }),
    noteJoinFailure: ({ context }, { error }: { error: unknown }) =>
      context.steps.noteJoinFailure(error),
  },
  guards: {
    isOutside: ({ context }) => context.facts.identity() === undefined,
    isLocked: ({ context }) => context.facts.isLocked(),
    hasRoom: ({ context }, { change }: Asked) => hasRoomFor(change, context.waiting),
    isAwaited: ({ context }) => context.current !== undefined,
    hasWaiting: ({ context }) => context.waiting.length > 0,
    leadsTo: ({ context }, course: Course) => nextCourse(context, false) === course,
    /** The join has not ended in the very moment before. */
    leavesJoin: ({ context }) =>
      context.facts.identity() === undefined && nextCourse(context, true) === 'leaving',
    declinesInJoin: ({ context }) =>
      context.facts.identity() === undefined && context.waiting.length > 0,
  },
  delays: { joinPatience: joinPatienceMs },
});

/** Nothing is under way: the next change that waits has its turn. */
const resting = membership.createStateConfig({
  always: [
    ...(
      [
        'initializing',
        'forcingNewCluster',
        'joining',
        'rejoining',
        'unlocking',
        'refusingUnlock',
        'leaving',
        'following',
        'changingRole',
        'moving',
        'restarting',
      ] as const
    ).map((course) => ({
      guard: { type: 'leadsTo' as const, params: course },
      target: `#membership.${course}`,
      actions: 'take' as const,
    })),
    {
      guard: 'hasWaiting',
      actions: [{ type: 'decline', params: { isJoining: false } }, 'drop'],
    },
  ],
});

/** A change has failed, and whoever waits for it hears why. */
const failed = {
  target: '#membership.settled',
  actions: [
    { type: 'refuse', params: ({ event }: { event: ErrorActorEvent }) => ({ error: event.error }) },
    'release',
  ],
} as const;

/** A change is under way; the others wait for its end, however it ends. */
const changing = membership.createStateConfig({
  invoke: {
    src: 'perform',
    input: ({ context }) => context,
    onDone: {
      target: '#membership.settled',
      actions: [{ type: 'answer', params: ({ event }) => ({ result: event.output }) }, 'release'],
    },
    onError: failed,
  },
});

/** Parts of the node are stopped, to begin anew: clients wait for as long as that takes. */
const replacing = membership.createStateConfig({ ...changing, tags: 'replacing' });

/**
 * This daemon's life in a swarm. Changes are made one at a time, in the order in which they were asked for; a join of
 * which nobody waits for the end any more goes on in the background, and can be left. What the node is afterwards the
 * disk says, not the machine: a change that fails leaves it as it was, or as far as it came.
 */
export const membershipMachine = membership.createMachine({
  id: 'membership',
  context: ({ input }) => ({ ...input, waiting: [], current: undefined }),
  initial: 'starting',
  on: {
    ask: [
      {
        guard: { type: 'hasRoom', params: ({ event }) => event },
        actions: { type: 'enqueue', params: ({ event }) => event },
      },
      { actions: { type: 'turnAway', params: ({ event }) => event } },
    ],
  },
  states: {
    starting: { on: { begin: 'settled' } },
    settled: {
      always: [
        { guard: 'isOutside', target: 'none' },
        { guard: 'isLocked', target: 'locked' },
        { target: 'member' },
      ],
    },
    none: resting,
    locked: resting,
    member: resting,
    initializing: changing,
    forcingNewCluster: changing,
    rejoining: changing,
    leaving: changing,
    refusingUnlock: changing,
    following: replacing,
    changingRole: replacing,
    moving: replacing,
    restarting: replacing,
    unlocking: {
      invoke: {
        src: 'perform',
        input: ({ context }) => context,
        onDone: 'comingUp',
        onError: failed,
      },
    },
    /** The manager is unlocked, and starts. */
    comingUp: {
      invoke: {
        src: 'comeUp',
        input: ({ context }) => context,
        onDone: {
          target: 'settled',
          actions: [{ type: 'answer', params: { result: undefined } }, 'release'],
        },
        onError: failed,
      },
    },
    joining: {
      tags: 'joining',
      invoke: {
        src: 'join',
        input: ({ context }) => context,
        onDone: {
          target: 'settled',
          actions: [{ type: 'answer', params: { result: undefined } }, 'release'],
        },
        onError: [
          { guard: 'isAwaited', ...failed },
          {
            target: 'settled',
            actions: { type: 'noteJoinFailure', params: ({ event }) => ({ error: event.error }) },
          },
        ],
      },
      initial: 'awaited',
      states: {
        awaited: {
          after: {
            joinPatience: {
              target: 'background',
              actions: [
                {
                  type: 'refuse',
                  params: () => ({ error: daemonFault('Unavailable', text.joinTimeout) }),
                },
                'release',
              ],
            },
          },
        },
        background: {
          always: [
            {
              guard: 'leavesJoin',
              target: '#membership.settled',
              actions: [
                'take',
                { type: 'noteJoinFailure', params: { error: undefined } },
                { type: 'answer', params: { result: undefined } },
                'release',
              ],
            },
            {
              guard: 'declinesInJoin',
              actions: [{ type: 'decline', params: { isJoining: true } }, 'drop'],
            },
          ],
        },
      },
    },
  },
});
