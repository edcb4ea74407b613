import { fromCallback, fromPromise } from 'xstate';
import type { Bus } from '../../bus/ports.ts';
import type { Assign, Heartbeat, LeaderTerm, Hello, HelloReply } from '../../bus/protocol.ts';
import { subjects } from '../../bus/subjects.ts';
import type { EngineTrouble } from '../../domain/assign/engine-status.ts';
import { wireFormat } from '../../domain/format/formats.ts';
import type { NodeDescription } from '../../domain/model/objects.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { Report } from '../../supervisors/report.ts';
import { asAssign, asLeaderTerm, asHelloReply } from './bodies.ts';
import type { TermGate } from './term-gate.ts';

export interface SessionInput {
  readonly nodeId: string;
  readonly bus: Bus;
  readonly describe: (scope: AbortSignal) => Promise<NodeDescription>;
  /** Why the engine is away; undefined while it answers. */
  readonly engine: () => EngineTrouble | undefined;
  readonly clock: Clock;
  /** 0 ≤ x < 1; spreads heartbeats and tries. */
  readonly random: () => number;
  readonly newId: () => string;
  readonly gate: TermGate;
  /** The highest level that this node can. */
  readonly featureLevel: number;
  /** Keys of the specs that a leader in this generation of the log need not send again. */
  readonly templates: (generation: number) => readonly string[];
  readonly scope: AbortSignal;
  /** Takes every assignment of this session, in order and without gaps. */
  readonly onAssign: (assign: Assign) => void;
  /** The id of the session that the leader has taken, or undefined when it is over. */
  readonly onSession: (session: string | undefined) => void;
  readonly log: Report;
}
export type SessionEvent =
  | { readonly type: 'bus'; readonly connected: boolean }
  | { readonly type: 'assign'; readonly assign: Assign }
  | { readonly type: 'notice'; readonly epoch: LeaderTerm }
  /** The full set is needed again. */
  | { readonly type: 'resync' }
  /** The engine went away or is back. */
  | { readonly type: 'engine' }
  /** What the node is may have changed. */
  | { readonly type: 'refresh' };

export interface SessionContext extends SessionInput {
  readonly session: string;
  /** The last assignment's number; 0 before the full set. */
  readonly seq: number;
  /** The full set has not come to its end. */
  readonly isSetOpen: boolean;
  readonly description: NodeDescription | undefined;
  readonly heartbeatMs: number;
  /** Tries since the session was last steady. */
  readonly failures: number;
  /** The newest leader of which a notice has told. */
  readonly noticed: LeaderTerm | undefined;
}

/**
 * Limit of the answer to a hello, ms, by the failures before. Short at first: a leader may hear it in the moment in which it
 * may not answer, and then waits for another one. Longer where it is just busy.
 */
const helloLimitsMs = [1_500, 3_000, 5_000] as const;
const helloLimitMs = (failures: number): number =>
  helloLimitsMs[Math.min(failures, helloLimitsMs.length - 1)] ?? 0;
/** Share of the heartbeat by which heartbeats are spread, to both sides. */
const heartbeatJitter = 0.1;

/** Ends something with the scope, or earlier by the function that it gives; the scope outlives many sessions. */
function endsWith(scope: AbortSignal, end: () => void): () => void {
  const close = (): void => {
    scope.removeEventListener('abort', close);
    end();
  };
  scope.addEventListener('abort', close, { once: true });
  return close;
}

/** Turns what the bus brings into events; its subscriptions outlive reconnects. */
export const busEvents = fromCallback<SessionEvent, SessionContext>(({ input, sendBack }) => {
  const { bus, nodeId, scope, log } = input;
  const off = [
    bus.onConnection((connected) => sendBack({ type: 'bus', connected })),
    bus.subscribe(subjects.node(nodeId, 'assign'), ({ body, subject }) => {
      const taken = asAssign(body);
      if (taken === undefined) log('message_not_understood', { subject });
      else sendBack({ type: 'assign', assign: taken });
    }),
    bus.subscribe(subjects.leader, ({ body }) => {
      const epoch = asLeaderTerm(body);
      if (epoch !== undefined) sendBack({ type: 'notice', epoch });
    }),
  ];
  sendBack({ type: 'bus', connected: bus.isConnected() });
  return endsWith(scope, () => {
    for (const unsubscribe of off.splice(0)) unsubscribe();
  });
});

/** Tells the heartbeats how far the assignments have come, or that one is due now. */
export type HeartbeatNews =
  | { readonly type: 'taken'; readonly seq: number }
  | { readonly type: 'now' };

/** What a message to the leader says of the engine. */
const engineOf = ({ engine }: SessionContext): { readonly engine?: EngineTrouble } => {
  const trouble = engine();
  return trouble === undefined ? {} : { engine: trouble };
};

/** Sends heartbeats until it is stopped, and at once when an assignment was taken: the leader waits with the next one. */
export const heartbeats = fromCallback<HeartbeatNews, SessionContext>(({ input, receive }) => {
  const { bus, nodeId, clock, random, heartbeatMs, session, scope } = input;
  let { seq } = input;
  let timer: number;
  const heartbeat = (): void => {
    const body: Heartbeat = { session, seq, ...engineOf(input) };
    bus.publish(subjects.agent(nodeId, 'beat'), body);
  };
  receive((news) => {
    if (news.type === 'taken') seq = news.seq;
    heartbeat();
  });
  const next = (): void => {
    const spread = 1 + heartbeatJitter * (2 * random() - 1);
    timer = clock.setTimeout(() => {
      heartbeat();
      next();
    }, heartbeatMs * spread);
  };
  if (seq > 0) heartbeat();
  next();
  return endsWith(scope, () => clock.clearTimeout(timer));
});

export const describe = fromPromise<NodeDescription, SessionContext>(({ input, signal }) =>
  input.describe(AbortSignal.any([signal, input.scope])),
);

/** Undefined when the answer is not one. */
export const hello = fromPromise<HelloReply | undefined, SessionContext>(async ({ input }) => {
  const { bus, nodeId, session, description, gate, failures } = input;
  if (description === undefined) throw new Error('hello without a description');
  const { generation } = gate.highest;
  const templates = input.templates(generation);
  const body: Hello = {
    session,
    description,
    wire: wireFormat.version,
    featureLevel: input.featureLevel,
    ...(templates.length > 0 && { has: { generation, templates } }),
    ...engineOf(input),
  };
  const limitMs = helloLimitMs(failures);
  return asHelloReply(await bus.request(subjects.agent(nodeId, 'hello'), body, limitMs));
});
