import type { ActorSpec } from './child.ts';
import type { Flags, Restart } from './restart-policy.ts';
import type { Restarts } from './dynamic.ts';
import type { ChildSpec } from './supervisor.ts';

/** A supervision tree as data: who, in which order, and what happens when one fails. Wiring adds the actors. */
export interface Tree {
  readonly flags: Flags;
  readonly children: readonly {
    readonly id: string;
    readonly restart: Restart;
    readonly stopLimitMs?: number;
  }[];
}

/**
 * Of parts that start from what others keep: a leader's from the store, an agent's from the engine and the leader. When
 * one of a leader's gives up, the manager ends and begins anew from journal and log.
 */
export const singleRestarts = {
  strategy: 'oneForOne',
  intensity: 5,
  periodMs: 30_000,
  backoffMinMs: 100,
  backoffMaxMs: 4_000,
} as const;

/**
 * natswarm's trees. Intensities multiply through levels, so the inner ones are small. The outermost is large against
 * what its backoff allows (eight restarts a minute at the cap), so that a lasting trouble outside, such as a full
 * disk, is tried again and again and ends neither the API nor the pass-through to the engine.
 */
export const trees = {
  /**
   * What a node runs while it is in a swarm; API and engine stand outside. Each is restarted alone: connections come
   * back by themselves, and the leader waits for its log, so losing nats-server costs a pause and ends nothing else.
   */
  daemon: {
    flags: {
      strategy: 'oneForOne',
      intensity: 50,
      periodMs: 60_000,
      backoffMinMs: 100,
      backoffMaxMs: 8_000,
    },
    children: [
      { id: 'bus-server', restart: 'permanent', stopLimitMs: 8_000 },
      { id: 'bus-auth', restart: 'permanent' },
      { id: 'manager', restart: 'permanent' },
      { id: 'join-listener', restart: 'permanent' },
      { id: 'renewal', restart: 'permanent' },
      { id: 'agent', restart: 'permanent' },
    ],
  },
  /** Losing the session restarts no task. */
  agent: {
    flags: singleRestarts,
    children: [
      { id: 'session', restart: 'permanent' },
      { id: 'engine', restart: 'permanent' },
      { id: 'netplane', restart: 'permanent' },
      { id: 'tasks', restart: 'permanent' },
      { id: 'logs', restart: 'permanent' },
      { id: 'tree', restart: 'permanent' },
    ],
  },
} as const satisfies Readonly<Record<string, Tree>>;

/**
 * The leader's actors of one object each (a service, a node) never give up: the other objects are well, and another
 * leader would fare no better with this one. What is wrong shows on the object.
 */
export const objectRestarts = {
  intensity: Number.POSITIVE_INFINITY,
  periodMs: 60_000,
  backoffMinMs: 100,
  backoffMaxMs: 8_000,
} as const satisfies Restarts['flags'];

/** An actor, or a tree below, for one place of a tree. */
export type Part =
  | Pick<ActorSpec, 'logic' | 'input'>
  | { readonly flags: Flags; readonly children: readonly ChildSpec[] };

/** The children of a tree in its order, with their actors. A part that is `undefined` does not exist on this node. */
export function grow<T extends Tree>(
  tree: T,
  parts: { readonly [K in T['children'][number]['id']]: Part | undefined },
): readonly ChildSpec[] {
  const byId: Readonly<Record<string, Part | undefined>> = parts;
  return tree.children.flatMap((child) => {
    const part = byId[child.id];
    return part === undefined ? [] : [{ ...child, ...part }];
  });
}
