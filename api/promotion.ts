import type { View } from '../domain/store/view.ts';
import type { Swarm } from './ports.ts';

/** As long as Docker's daemon makes a client wait for a join, and for a node that is down it is not worth it, ms. */
const patienceMs = { ready: 20_000, down: 3_000 } as const;

/**
 * The node is a manager that counts and whose place is not given up, or it is gone, or not to be one any more. A demotion of just before
 * marks the place in the state before anything is taken from it: without that mark nothing was, and nothing will be.
 */
export function isSettled(view: View, id: string): boolean {
  const node = view.node(id);
  if (node === undefined || node.spec.Role !== 'manager') return true;
  const { manager } = node;
  return manager !== undefined && manager.joining === undefined && manager.leaving === undefined;
}

/**
 * Whoever is told of a promotion may stop another manager at once: so it is told when the new one counts, or after a while,
 * for the promotion goes on. Never rejects.
 */
export async function untilPromoted(
  swarm: Pick<Swarm, 'read' | 'watch'>,
  id: string,
  scope: AbortSignal,
): Promise<void> {
  // the command is done, whether this manager can show the state or not
  const view = await swarm.read().catch(() => undefined);
  if (view === undefined || isSettled(view, id)) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      off();
      clearTimeout(timer);
      scope.removeEventListener('abort', end);
      resolve();
    };
    const off = swarm.watch((applied) => {
      if (applied.some((change) => change.kind === 'node' && change.id === id)) look();
    });
    const look = (): void => {
      swarm.read().then(
        (now) => isSettled(now, id) && end(),
        () => undefined, // the next change is looked at, or the patience ends
      );
    };
    const isReady = view.node(id)?.status.state === 'ready';
    const timer = setTimeout(end, patienceMs[isReady ? 'ready' : 'down']).unref();
    scope.addEventListener('abort', end, { once: true });
    look();
  });
}
