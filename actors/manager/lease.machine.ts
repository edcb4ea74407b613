import { fromCallback, setup } from 'xstate';
import type { HeartbeatReply } from '../../bus/protocol.ts';
import type { Room } from '../../domain/disk-room.ts';
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
  /** Since when this manager grants itself the lease. */
  readonly ownFrom: number;
  /** Tells another manager that this one leads; undefined for no answer. Never rejects. */
  readonly heartbeat: (manager: string) => Promise<HeartbeatReply | undefined>;
  /** The lease was got or lost. */
  readonly onLease: (held: boolean) => void;
  /** Another leads, or nothing comes of this term. */
  readonly onEnd: (why: 'newer epoch' | 'no majority') => void;
}
export type LeaseEvent =
  /** What the answers make of the lease has changed. */
  | { readonly type: 'got' }
  | { readonly type: 'lost' }
  /** A manager knows of a newer epoch. */
  | { readonly type: 'surpassed' };
interface Context extends LeaseInput {
  /** When the newest heartbeat was sent that a manager has acknowledged. Heartbeats write it: most of them change no state. */
  readonly sentAt: Map<string, number>;
  /** How far the other managers' journals are on their disks, likewise. */
  readonly kept: Map<string, number>;
  /** What there is room for on their disks. */
  readonly rooms: Map<string, Room>;
}

/** Whether the lease holds at this moment, whatever the machine has come to notice. */
export function holdsLease(context: Context): boolean {
  const { clock, managers, nodeId, ownFrom, sentAt } = context;
  const ids = managers();
  const now = clock.now();
  return isAlone(ids, nodeId) || (now >= ownFrom && now < leaseEnd(ids, nodeId, sentAt));
}

/** A heartbeat to every other manager, again and again; each round and each answer is a moment to look at the lease. */
const heartbeats = fromCallback<LeaseEvent, Context>(({ input, sendBack }) => {
  const { clock, scope, listeners, nodeId, heartbeat, epoch, sentAt, kept, rooms } = input;
  let timer: number | undefined;
  let open = true;
  let held = false;
  const close = (): void => {
    open = false;
    if (timer !== undefined) clock.clearTimeout(timer);
  };
  const look = (): void => {
    const before = held;
    held = holdsLease(input);
    if (held !== before) sendBack({ type: held ? 'got' : 'lost' });
  };
  const tell = async (manager: string): Promise<void> => {
    const at = clock.now();
    const reply = await heartbeat(manager);
    if (!open || reply === undefined) return;
    if (reply.epoch > epoch) return sendBack({ type: 'surpassed' });
    rooms.set(manager, reply.room ?? 'enough');
    if (!reply.ok) return;
    // what one that is in another generation has kept is of that generation
    kept.set(manager, reply.kept);
    sentAt.set(manager, Math.max(at, sentAt.get(manager) ?? at));
    look();
  };
  const round = (): void => {
    if (scope.aborted) return;
    timer = clock.setTimeout(round, termMs.heartbeatEvery);
    for (const id of listeners()) if (id !== nodeId) void tell(id);
    look();
  };
  scope.addEventListener('abort', close, { once: true });
  round();
  return close;
});

/**
 * The leader's lease: it sends heartbeats, a majority of the managers answers, and for a while the leader may speak for the cluster.
 * Without the lease it is mute but goes on leading, for nobody may have taken its place; in the end it lets go.
 */
export const leaseMachine = setup({
  types: { context: {} as Context, events: {} as LeaseEvent, input: {} as LeaseInput },
  actors: { heartbeats },
  actions: {
    tell: ({ context }, held: boolean) => context.onLease(held),
    end: ({ context }, why: 'newer epoch' | 'no majority') => context.onEnd(why),
  },
  delays: { stepDown: termMs.stepDown },
}).createMachine({
  id: 'lease',
  context: ({ input }) => ({ ...input, sentAt: new Map(), kept: new Map(), rooms: new Map() }),
  initial: 'mute',
  invoke: { src: 'heartbeats', input: ({ context }) => context },
  on: { surpassed: '.deposed' },
  states: {
    mute: {
      on: { got: 'speaking' },
      after: { stepDown: 'abandoned' },
    },
    speaking: {
      entry: { type: 'tell', params: true },
      exit: { type: 'tell', params: false },
      on: { lost: 'mute' },
    },
    deposed: { entry: { type: 'end', params: 'newer epoch' } },
    abandoned: { entry: { type: 'end', params: 'no majority' } },
  },
});
