import { expect, test } from '@jest/globals';
import { CaReconciler } from '../../../actors/manager/reconcile/ca.ts';
import type { MembershipNotice } from '../../../bus/protocol.ts';
import { subjects } from '../../../bus/subjects.ts';
import { caAfter } from '../../../domain/ca/rotation.ts';
import { Store } from '../../../domain/store/store.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { MemoryHub } from '../../support/memory-bus.ts';
import { clusterWith, firstRoot, nodeOf, nothing, tools, wall } from '../ca/helpers.ts';

/** The leader's reconciler of the CA, with one node that is ready, and what that node was told. */
function duty() {
  const store = Store.load(1, {
    cluster: [clusterWith()],
    node: [nodeOf('n1', firstRoot.certPem)],
    service: [],
    task: [],
  });
  const hub = new MemoryHub(new VirtualClock());
  const ca = new CaReconciler({
    tools: tools(),
    ask: () => Promise.reject(new Error('there is no external CA')),
    bus: hub.connect(),
    view: store,
    propose: async (decide) => {
      const { result } = decide(store, { now: wall, newId: () => 'id' } as never);
      return Promise.resolve({ result, index: store.index });
    },
    newJoinToken: () => 'token',
    epoch: () => ({ generation: 1, epoch: 1 }),
    log: () => undefined,
  });
  const rotate = (): void => {
    const cluster = clusterWith();
    const next = caAfter(cluster, { ...nothing, forceRotate: 1 }, { now: wall, ca: tools() });
    const change = { op: 'patch', kind: 'cluster', id: cluster.id, fields: next } as const;
    store.apply({ index: 2, at: wall, changes: [change] });
  };
  const told = (): readonly boolean[] =>
    (hub.bodies(subjects.node('n1', 'membership')) as MembershipNotice[]).map(({ renew }) => renew);
  return { ca, rotate, told };
}

test('a node that was told to renew while it was away hears it with its next hello', async () => {
  const { ca, rotate, told } = duty();
  rotate();
  await ca.plan();
  expect(told()).toEqual([true]);
  ca.greet('n1');
  expect(told()).toEqual([true, true]);
});

test('one whose turn has not come, or when nothing is rotated, is told of roots and managers only', () => {
  const { ca, rotate, told } = duty();
  ca.greet('n1');
  rotate();
  ca.greet('n1');
  expect(told()).toEqual([false, false]);
});
