import { assign, fromCallback, setup } from 'xstate';
import type { BeatReply } from '../../bus/protocol.ts';
import type { Clock } from '../../supervisors/clock.ts';
import { isAlone, leaseEnd, termMs } from './quorum.ts';

export interface LeaseInput {
  readonly scope: AbortSignal;
  readonly clock: Clock;
  readonly nodeId: string;
  readonly epoch: number;
  /** The managers of the cluster, as committed now. */
  readonly managers: () => readonly string[];
  /** Those that are told that this manager leads: the managers, and those that are about to be. */
  readonly listeners: () => readonly string[];
  /** Since when this manager supports itself. */
  readonly ownFrom: number;
  /** Tells another manager that this one leads; undefined for no answer. Never rejects. */
  readonly beat: (manager: string) => Promise<BeatReply | undefined>;
  /** The lease was got or lost. */
  readonly onLease: (held: boolean) => void;
  /** Another leads, or nothing comes of this term. */
  readonly onEnd: (why: 'newer epoch' | 'no majority') => void;
}
interface Answered {
  readonly type: 'answered';
  readonly from: string;
  readonly sentAt: number;
  readonly reply: BeatReply;
}
export type LeaseEvent = Answered | { readonly type: 'tick' };
interface Context extends LeaseInput {
  /** When the newest beat was sent that a manager has acknowledged. */
  readonly sentAt: ReadonlyMap<string, number>;
  /** How far the other managers' journals are on their disks. */
  readonly kept: ReadonlyMap<string, number>;
}

/** Whether the lease holds at this moment, whatever the machine has come to notice. */
export function holdsLease(context: Context): boolean {
  const { clock, managers, nodeId, ownFrom, sentAt } = context;
  const ids = managers();
  const now = clock.now();
  return isAlone(ids, nodeId) || (now >= ownFrom && now < leaseEnd(ids, nodeId, sentAt));
}

/** A beat to every other manager, again and again; each tick is a moment to look at the lease. */
const beats = fromCallback<LeaseEvent, LeaseInput>(({ input, sendBack }) => {
  const { clock, scope, listeners, nodeId, beat } = input;
  let timer: number | undefined;
  let open = true;
  const close = (): void => {
    open = false;
    if (timer !== undefined) clock.clearTimeout(timer);
  };
  const tell = async (from: string): Promise<void> => {
    const sentAt = clock.now();
    const reply = await beat(from);
    if (open && reply !== undefined) sendBack({ type: 'answered', from, sentAt, reply });
  };
  const round = (): void => {
    if (scope.aborted) return;
    timer = clock.setTimeout(round, termMs.beatEvery);
    for (const id of listeners()) if (id !== nodeId) void tell(id);
    sendBack({ type: 'tick' });
  };
  scope.addEventListener('abort', close, { once: true });
  round();
  return close;
});

const answered = ({ event }: { event: Answered }) => event;

/**
 * The leader's lease: it beats, a majority of the managers answers, and for a while the leader may speak for the cluster.
 * Without the lease it is mute but goes on leading, for nobody may have taken its place; in the end it lets go.
 */
export const leaseMachine = setup({
  types: { context: {} as Context, events: {} as LeaseEvent, input: {} as LeaseInput },
  actors: { beats },
  actions: {
    note: assign(({ context }, { from, sentAt, reply }: Answered) => ({
      kept: new Map(context.kept).set(from, reply.kept),
      ...(reply.ok && {
        sentAt: new Map(context.sentAt).set(
          from,
          Math.max(sentAt, context.sentAt.get(from) ?? sentAt),
        ),
      }),
    })),
    tell: ({ context }, held: boolean) => context.onLease(held),
    end: ({ context }, why: 'newer epoch' | 'no majority') => context.onEnd(why),
  },
  guards: {
    holds: ({ context }) => holdsLease(context),
    ended: ({ context }) => !holdsLease(context),
    isNewer: ({ context }, { reply }: Answered) => reply.epoch > context.epoch,
  },
  delays: { stepDown: termMs.stepDown },
}).createMachine({
  id: 'lease',
  context: ({ input }) => ({ ...input, sentAt: new Map(), kept: new Map() }),
  initial: 'mute',
  invoke: { src: 'beats', input: ({ context }) => context },
  on: {
    answered: [
      { guard: { type: 'isNewer', params: answered }, target: '.deposed' },
      { actions: { type: 'note', params: answered } },
    ],
    tick: {},
  },
  states: {
    mute: {
      always: { guard: 'holds', target: 'speaking' },
      after: { stepDown: 'abandoned' },
    },
    speaking: {
      entry: { type: 'tell', params: true },
      exit: { type: 'tell', params: false },
      always: { guard: 'ended', target: 'mute' },
    },
    deposed: { entry: { type: 'end', params: 'newer epoch' } },
    abandoned: { entry: { type: 'end', params: 'no majority' } },
  },
});
