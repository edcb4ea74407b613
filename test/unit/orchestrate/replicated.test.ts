import { expect, test } from '@jest/globals';
import { changeBytes } from '../../../bus/log-entry.ts';
import { limits } from '../../../domain/limits.ts';
import { replicas, show, World } from './world.ts';

test('a new service gets a task per slot, all of them wanted at once', () => {
  const world = new World();
  world.create('web', { ...replicas(3), Labels: { a: 'b' } });
  const plan = world.plan('web');
  expect(show(world.tasks('web'))).toEqual([
    '1 pending/running app:1',
    '2 pending/running app:1',
    '3 pending/running app:1',
  ]);
  expect(world.tasks('web')[0]).toMatchObject({
    id: 't000001',
    serviceId: 'web',
    serviceName: 'web',
    serviceLabels: { a: 'b' },
    nodeId: '',
    slot: 1,
    specVersion: 1,
    status: { state: 'pending', at: world.now, message: 'pending task scheduling' },
  });
  expect(plan.wakeAt).toBeUndefined();
  expect(world.plan('web').changes).toEqual([]);
});

test('replicas are one where the mode does not say', () => {
  const world = new World();
  world.create('web', { Mode: {} });
  world.settle();
  expect(show(world.tasks('web'))).toEqual(['1 running/running app:1']);
});

test('scaling up fills the lowest free slots and leaves the others alone', () => {
  const world = new World(3);
  world.create('web', replicas(5));
  world.settle();
  const before = world.tasks('web');
  // Three nodes: two of them have two tasks, so two of the five go from there.
  world.update('web', replicas(3));
  world.settle();
  const kept = world.tasks('web');
  expect(kept.map((t) => t.slot)).toEqual([1, 2, 3]);
  world.update('web', replicas(6));
  world.settle();
  expect(
    world
      .tasks('web')
      .map((t) => t.slot)
      .sort((a, b) => a - b),
  ).toEqual([1, 2, 3, 4, 5, 6]);
  const ids = new Set(before.map((t) => t.id));
  expect(world.tasks('web').filter((t) => ids.has(t.id))).toHaveLength(3);
  expect(world.tasks('web').filter((t) => t.specVersion === 1)).toHaveLength(3);
});

test('free slots in the middle are filled first', () => {
  const world = new World();
  world.create('web', replicas(4));
  world.settle();
  const second = world.tasks('web').find((t) => t.slot === 2);
  world.apply([{ op: 'delete', kind: 'task', id: second?.id ?? '' }]);
  world.update('web', replicas(5));
  world.plan('web');
  expect(show(world.tasks('web')).filter((line) => line.includes('pending'))).toEqual([
    '2 pending/running app:1',
    '5 pending/running app:1',
  ]);
});

test.each([
  // Where each slot's task is and whether it runs; the slots that stay of four when scaled to two.
  ['the fullest node gives first', ['n1', 'n1', 'n1', 'n2'], [], [1, 4]],
  ['what does not run goes before what runs', ['n1', 'n1', 'n2', 'n2'], [1, 3], [2, 4]],
  ['what has no node goes before all', ['', 'n1', '', 'n1'], [], [2, 4]],
])('scaling down: %s', (_, nodes, down, stay) => {
  const world = new World(2);
  world.create('web', replicas(4));
  world.plan('web');
  for (const [i, task] of world.tasks('web').entries()) {
    const nodeId = nodes[i] ?? '';
    if (nodeId === '') continue;
    world.apply([{ op: 'patch', kind: 'task', id: task.id, fields: { nodeId } }]);
    world.report(task, down.includes(task.slot as never) ? 'starting' : 'running');
  }
  world.update('web', replicas(2));
  world.plan('web');
  const wanted = world.tasks('web').filter((t) => t.desired === 'running');
  expect(wanted.map((t) => t.slot)).toEqual(stay);
});

test('what is scaled away leaves no history', () => {
  const world = new World();
  world.create('web', replicas(2));
  world.fate = (task) =>
    task.slot === 1 ? { runsMs: 1e9, ends: 'failed' } : { runsMs: 100, ends: 'failed' };
  world.run(12_000);
  expect(world.tasks('web').length).toBeGreaterThan(3);
  world.stopMs = () => 5_000;
  world.update('web', replicas(0));
  world.settle();
  expect(show(world.tasks('web'))).toEqual(['1 running/remove app:1', '2 ready/remove app:1']);
  world.run(5_000);
  expect(world.tasks('web')).toEqual([]);
});

test('a slot number is used again while its old task still stops', () => {
  const world = new World();
  world.create('web', replicas(1));
  world.settle();
  world.stopMs = () => 60_000;
  world.update('web', replicas(0));
  world.settle();
  world.update('web', replicas(1));
  world.settle();
  expect(show(world.tasks('web'))).toEqual(['1 running/remove app:1', '1 running/running app:1']);
});

test('a removed service ends its tasks and forgets them', () => {
  const world = new World();
  world.create('web', replicas(2));
  world.settle();
  world.stopMs = () => 1_000;
  world.apply([{ op: 'delete', kind: 'service', id: 'web' }]);
  world.settle();
  expect(show(world.tasks('web'))).toEqual(['1 running/remove app:1', '2 running/remove app:1']);
  world.run(1_000);
  expect(world.tasks('web')).toEqual([]);
});

test('a removed service whose tasks never started is forgotten at once', () => {
  const world = new World(0);
  world.create('web', replicas(2));
  world.settle();
  world.apply([{ op: 'delete', kind: 'service', id: 'web' }]);
  world.settle();
  expect(world.tasks('web')).toEqual([]);
});

test('a large plan comes in parts, each of which fits into a transaction', () => {
  const world = new World();
  world.create('web', replicas(2_500));
  const sizes: number[] = [];
  for (let plan = world.plan('web'); plan.changes.length > 0; plan = world.plan('web')) {
    sizes.push(plan.changes.length);
    expect(plan.wakeAt).toBe(sizes.length < 3 ? world.now : undefined);
  }
  expect(sizes).toEqual([limits.planChangesMax, limits.planChangesMax, 500]);
  world.apply([{ op: 'delete', kind: 'service', id: 'web' }]);
  expect(world.plan('web').changes).toHaveLength(limits.planChangesMax);
});

test('new tasks do not repeat the spec of their service, and share one object', () => {
  const world = new World();
  const Env = ['x'.repeat(limits.specBytesMax)];
  world.create('web', { ...replicas(100), task: { ContainerSpec: { Image: 'app:1', Env } } });
  const plan = world.plan('web');
  expect(plan.changes).toHaveLength(100);
  expect(JSON.stringify(plan.changes).length).toBeLessThan(100 * 500);
  world.settle();
  const specs = new Set(world.tasks('web').map(({ spec }) => spec));
  expect([...specs]).toEqual([world.service('web').spec.TaskTemplate]);
});

test('20,000 replicas are created, scheduled and removed in records that fit', () => {
  const world = new World();
  for (let i = 0; i < 20; i++) world.addNode(`n${i}`);
  let largest = 0;
  world.onPlan = ({ changes }) => {
    const bytes = changes.reduce((sum, change) => sum + changeBytes(change), 0);
    largest = Math.max(largest, bytes);
  };
  world.create('web', replicas(20_000));
  world.settle();
  const running = (): number =>
    world.tasks('web').filter(({ status }) => status.state === 'running').length;
  expect(running()).toBe(20_000);
  world.apply([{ op: 'delete', kind: 'service', id: 'web' }]);
  world.run(1_000);
  expect(world.tasks('web')).toEqual([]);
  expect(largest).toBeLessThan(limits.transactionBytesMax / 4);
});
