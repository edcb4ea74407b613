import { expect, test } from '@jest/globals';
import { planNode } from '../../../domain/orchestrate/plan-node.ts';
import { replicas, show, World } from './world.ts';

const dayMs = 24 * 60 * 60 * 1_000;
const ssd = { Placement: { Constraints: ['node.labels.disk == ssd'] } };

test('tasks that the node may not run any more are rejected, and run elsewhere', () => {
  const world = new World(0);
  world.addNode('n1', { disk: 'ssd' });
  world.addNode('n2', { disk: 'ssd' });
  world.create('web', { ...replicas(2), task: ssd });
  world.create('other');
  world.settle();
  world.node('n1', { spec: { Labels: {} } });
  const [task] = world.tasks('web').filter((t) => t.nodeId === 'n1');
  expect(task?.status).toMatchObject({
    state: 'rejected',
    message: 'task rejected by constraint enforcer',
    err: 'assigned node no longer meets constraints',
  });
  expect(task?.desired).toBe('running');
  world.run(5_000);
  const running = world.tasks('web').filter((t) => t.desired === 'running');
  expect(running.map((t) => [t.nodeId, t.status.state])).toEqual([
    ['n2', 'running'],
    ['n2', 'running'],
  ]);
  expect(show(world.tasks('other'))).toEqual(['1 running/running app:1']);
});

test('reservations are checked again when the node shrinks', () => {
  const world = new World(1);
  const Resources = { Reservations: { MemoryBytes: 6e9 } };
  world.create('web', { ...replicas(2), task: { Resources } });
  world.settle();
  const { description } = world.store.node('n1') ?? {};
  if (description === undefined) throw new Error('no description');
  const small = { ...description, resources: { nanoCpus: 8e9, memoryBytes: 8e9 } };
  world.apply([{ op: 'patch', kind: 'node', id: 'n1', fields: { description: small } }]);
  const { changes } = planNode(world.store, 'n1', world.ctx());
  expect(changes).toHaveLength(1);
  world.apply(changes);
  expect(planNode(world.store, 'n1', world.ctx()).changes).toEqual([]);
});

test.each(['pause', 'drain'] as const)('a node on %s is not enforced', (Availability) => {
  const world = new World(0);
  world.addNode('n1', { disk: 'ssd' });
  world.create('web', { task: ssd });
  world.settle();
  world.node('n1', { spec: { Availability, Labels: {} } });
  expect(world.tasks('web').every((t) => t.status.state === 'running')).toBe(true);
});

test('new constraints hold for tasks that were not updated because their node fits', () => {
  const world = new World(0);
  world.addNode('n1', { disk: 'ssd' });
  world.create('web');
  world.settle();
  world.update('web', { task: ssd });
  world.run(60_000);
  expect(world.tasks('web')).toHaveLength(1);
  expect(world.tasks('web')[0]).toMatchObject({ specVersion: 1, status: { state: 'running' } });
  world.node('n1', { spec: { Labels: {} } });
  expect(world.tasks('web')[0]?.status.state).toBe('rejected');
});

test('during an update what no longer fits is the update’s to replace', () => {
  const world = new World(0);
  world.addNode('n1', { disk: 'hdd' });
  world.addNode('n2', { disk: 'ssd' });
  world.create('web', replicas(6));
  world.settle();
  world.update('web', { task: ssd });
  world.plan('web');
  expect(planNode(world.store, 'n1', world.ctx()).changes).toEqual([]);
  world.run(60_000);
  expect(
    world
      .tasks('web')
      .filter((t) => t.desired === 'running')
      .every((t) => t.nodeId === 'n2'),
  ).toBe(true);
});

test('the tasks of a deleted node are orphaned', () => {
  const world = new World(1);
  world.create('web');
  world.settle();
  world.apply([{ op: 'delete', kind: 'node', id: 'n1' }]);
  world.apply(planNode(world.store, 'n1', world.ctx()).changes);
  expect(world.tasks('web')[0]?.status).toEqual({
    state: 'orphaned',
    at: world.now,
    message: 'Task belonged to a node that has been deleted',
  });
  expect(planNode(world.store, 'n1', world.ctx()).changes).toEqual([]);
});

test('the tasks of a node that is down are orphaned after a day', () => {
  const world = new World(1);
  world.create('web');
  world.settle();
  world.node('n1', { state: 'down' });
  world.settle();
  const downAt = world.now;
  expect(planNode(world.store, 'n1', world.ctx())).toEqual({ changes: [], wakeAt: downAt + dayMs });
  world.now += dayMs - 1;
  expect(planNode(world.store, 'n1', world.ctx()).changes).toEqual([]);
  world.now += 1;
  const { changes } = planNode(world.store, 'n1', world.ctx());
  expect(changes).toMatchObject([{ id: 't000001', fields: { status: { state: 'orphaned' } } }]);
  world.apply(changes);
  world.settle();
  expect(show(world.tasks('web'))).toEqual(['1 pending/running app:1']);
  expect(planNode(world.store, 'n1', world.ctx())).toEqual({ changes: [] });
});

test('a node in an unknown state keeps its tasks', () => {
  const world = new World(2);
  world.create('web');
  world.settle();
  const before = show(world.tasks('web'));
  for (const state of ['unknown', 'disconnected'] as const) {
    world.node('n1', { state });
    world.settle();
    expect(show(world.tasks('web'))).toEqual(before);
  }
});
