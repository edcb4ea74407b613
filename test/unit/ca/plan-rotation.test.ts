import { expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import { commonPace } from '../../../actors/manager/reconcile/reconciler.ts';
import { reconcilerMachine } from '../../../actors/manager/reconcile/reconciler.machine.ts';
import { type RotationPlan, planRotation } from '../../../domain/ca/plan-rotation.ts';
import type { Cluster, Node } from '../../../domain/model/objects.ts';
import { Store } from '../../../domain/store/store.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { pauseOn, settleOn } from '../../support/virtual-time.ts';
import { changed, clusterWith, firstRoot, local, nodeOf, wall } from './helpers.ts';

const fresh = local.newRoot();
const rotating = changed(clusterWith(), {
  signingCert: fresh.certPem,
  signingKey: fresh.keyPem,
});
const hour = 3_600_000;

const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => `n${String(from + n).padStart(3, '0')}`);
const storeOf = (cluster: Cluster, nodes: readonly Node[]): Store =>
  Store.load(1, { cluster: [cluster], node: nodes, service: [], task: [] });

function plan(store: Store, now = wall): RotationPlan {
  return planRotation(store, {
    now,
    newJoinToken: (role, rootPem) => `${role} ${rootPem === fresh.certPem ? 'new' : 'old'}`,
    ca: local,
  });
}

const nothing = { changes: [], renew: [] };

test('without a rotation there is nothing to do, whatever nodes say', () => {
  expect(plan(storeOf(clusterWith(), [nodeOf('n1', fresh.certPem), nodeOf('n2', '')]))).toEqual(
    nothing,
  );
  expect(plan(new Store())).toEqual(nothing);
});

test('nodes of the old root, and those that have not said, are told; those of the new are not', () => {
  const nodes = [nodeOf('b', ''), nodeOf('a', firstRoot.certPem), nodeOf('c', fresh.certPem)];
  const { renew, changes, wakeAt, reasons } = plan(storeOf(rotating, nodes));
  expect(renew).toEqual(['a', 'b']);
  expect(changes).toEqual([]);
  expect((wakeAt ?? 0) - wall).toBeGreaterThan(0);
  expect((wakeAt ?? 0) - wall).toBeLessThanOrEqual(3_000);
  expect(reasons).toEqual(['nodes without a certificate of the wanted root (2)']);
});

test('in batches of thirty, each node in its turn, without memory', () => {
  const nodes = ids(0, 70).map((id) => nodeOf(id, firstRoot.certPem));
  const store = storeOf(rotating, nodes);
  const rounds = [0, 1, 2].map((n) => plan(store, wall + n * 3_000).renew);
  expect(rounds.map((round) => round.length).sort((a, b) => a - b)).toEqual([10, 30, 30]);
  expect(new Set(rounds.flat()).size).toBe(70);
  expect(plan(store, wall + 9_000).renew).toEqual(rounds[0]);
});

test('a node that is down is not told, and not forgotten', () => {
  const down = { status: { state: 'down', message: '', addr: '' } } as const;
  const nodes = [nodeOf('a', fresh.certPem), nodeOf('b', firstRoot.certPem, down)];
  const store = storeOf(rotating, nodes);
  expect(plan(store)).toMatchObject({ renew: [], changes: [] });
  expect(plan(store).wakeAt).toBeDefined();
});

test('the end: the new root is the root, and both tokens are made for it', () => {
  const store = storeOf(rotating, [nodeOf('a', fresh.certPem)]);
  const { changes, renew } = plan(store);
  expect(renew).toEqual([]);
  store.apply({ index: 2, at: wall, changes });
  expect(store.cluster()?.rootCa).toEqual({
    ...fresh,
    tokens: { worker: 'worker new', manager: 'manager new' },
  });
  expect(store.cluster()).not.toHaveProperty('rootRotation');
  expect(plan(store)).toEqual(nothing);
});

test('after a rotation was given up nodes come back, and its root is forgotten an hour later', () => {
  const back = { signingCert: firstRoot.certPem, signingKey: firstRoot.keyPem };
  const aborted = changed(rotating, back);
  const halfway = [nodeOf('a', fresh.certPem), nodeOf('b', firstRoot.certPem), nodeOf('c', '')];
  expect(plan(storeOf(aborted, halfway), wall + 2 * hour).renew).toEqual(['a']);
  const store = storeOf(aborted, [nodeOf('a', firstRoot.certPem), nodeOf('c', '')]);
  expect(plan(store, wall + hour - 1)).toEqual({ ...nothing, wakeAt: wall + hour });
  const { changes } = plan(store, wall + hour);
  store.apply({ index: 2, at: wall, changes });
  expect(store.cluster()).not.toHaveProperty('formerRoots');
  expect(store.cluster()?.rootCa).toEqual(aborted.rootCa);
  expect(plan(store, wall + hour)).toEqual(nothing);
});

test('the log tells of a rotation that waits once, not with each node that has renewed', async () => {
  const clock = new VirtualClock();
  let left = 5;
  const told: (readonly string[])[] = [];
  const actor = createActor(reconcilerMachine, {
    clock,
    input: {
      ...commonPace,
      now: () => clock.now(),
      onReasons: (reasons) => told.push(reasons),
      plan: async () => {
        const nodes = ids(0, left--).map((id) => nodeOf(id, firstRoot.certPem));
        return { ...plan(storeOf(rotating, nodes)), wakeAt: clock.now(), idle: true, gone: false };
      },
    },
  });
  actor.start();
  await settleOn(clock, pauseOn(clock, 150));
  actor.stop();
  expect(left).toBeLessThan(4);
  expect(told).toEqual([['nodes without a certificate of the wanted root (5)']]);
});
