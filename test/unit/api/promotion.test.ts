import { expect, test } from '@jest/globals';
import { untilPromoted } from '../../../api/promotion.ts';
import type { Node } from '../../../domain/model/objects.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import type { View } from '../../../domain/store/view.ts';
import { settle } from '../../support/settle.ts';

const place = { addr: 'b:1', bus: 'b:2', route: 'b:3', reachability: 'unknown' } as const;

/** A cluster whose one node is as said, and somebody who waits for its promotion. */
function waiting(first: object | undefined) {
  let node = first;
  const listeners = new Set<(applied: readonly Applied[]) => void>();
  const scope = new AbortController();
  let isDone = false;
  const view = { node: () => node as Node | undefined } as unknown as View;
  void untilPromoted(
    {
      read: () => Promise.resolve(view),
      watch: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    'b',
    scope.signal,
  ).then(() => (isDone = true));
  const become = async (next: object | undefined): Promise<void> => {
    node = next;
    for (const listener of listeners) listener([{ kind: 'node', id: 'b' } as Applied]);
    await settle();
  };
  return { become, scope, listeners, isDone: () => isDone };
}

const promoted = { spec: { Role: 'manager' }, status: { state: 'ready' } };

test('whoever promotes a node is answered when the manager counts', async () => {
  const { become, isDone, listeners } = waiting(promoted);
  await settle();
  await become({ ...promoted, manager: { ...place, joining: true } });
  expect(isDone()).toBe(false);
  await become({ ...promoted, manager: place });
  expect(isDone()).toBe(true);
  expect(listeners.size).toBe(0);
});

test('a demotion of just before has begun: whoever promotes is answered when the new place counts', async () => {
  const { become, isDone } = waiting({ ...promoted, manager: { ...place, leaving: true } });
  await settle();
  await become({ ...promoted, manager: { ...place, leaving: true } });
  expect(isDone()).toBe(false);
  await become(promoted);
  await become({ ...promoted, manager: { ...place, joining: true } });
  expect(isDone()).toBe(false);
  await become({ ...promoted, manager: place });
  expect(isDone()).toBe(true);
});

test.each([
  ['gone', undefined],
  ['not to be one any more', { ...promoted, spec: { Role: 'worker' } }],
  ['a manager already', { ...promoted, manager: place }],
])('nothing is waited for of a node that is %s', async (_what, node) => {
  expect(waiting(node).isDone()).toBe(false);
  const { become, isDone } = waiting(promoted);
  await settle();
  expect(isDone()).toBe(false);
  await become(node);
  expect(isDone()).toBe(true);
});

test('a client that hangs up is waited for no more', async () => {
  const { scope, isDone, listeners } = waiting(promoted);
  await settle();
  scope.abort();
  await settle();
  expect(isDone()).toBe(true);
  expect(listeners.size).toBe(0);
});
