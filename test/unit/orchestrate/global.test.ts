import { expect, test } from '@jest/globals';
import { show, World } from './world.ts';

const Global = { Mode: { Global: {} } };
const nodesOf = (world: World): string[] =>
  world
    .tasks('g')
    .filter((t) => t.desired === 'running')
    .map((t) => t.nodeId)
    .sort();

test('one task on each node, which it has from birth', () => {
  const world = new World(2);
  world.create('g', Global);
  world.plan('g');
  expect(world.tasks('g')[0]).toMatchObject({
    slot: 0,
    nodeId: 'n1',
    status: { state: 'pending' },
  });
  world.settle();
  expect(show(world.tasks('g'))).toEqual(['n1 running/running app:1', 'n2 running/running app:1']);
  world.addNode('n3');
  world.settle();
  expect(nodesOf(world)).toEqual(['n1', 'n2', 'n3']);
  expect(world.plan('g').changes).toEqual([]);
});

test.each([
  ['down', { state: 'down' }],
  ['drained', { spec: { Availability: 'drain' } }],
] as const)('a node that is %s loses its task, and gets a new one when it is back', (_, fields) => {
  const world = new World(2);
  world.create('g', Global);
  world.settle();
  world.node('n1', fields);
  world.settle();
  expect(nodesOf(world)).toEqual(['n2']);
  world.node('n1', { state: 'ready', spec: { Availability: 'active' } });
  world.settle();
  expect(nodesOf(world)).toEqual(['n1', 'n2']);
  expect(show(world.tasks('g'))[0]).toBe('n1 shutdown/shutdown app:1');
});

test('a paused node keeps its task but gets none', () => {
  const world = new World(2);
  world.create('g', Global);
  world.settle();
  world.node('n1', { spec: { Availability: 'pause' } });
  world.addNode('n3');
  world.node('n3', { spec: { Availability: 'pause' } });
  world.settle();
  expect(nodesOf(world)).toEqual(['n1', 'n2']);
  world.node('n3', { spec: { Availability: 'active' } });
  world.settle();
  expect(nodesOf(world)).toEqual(['n1', 'n2', 'n3']);
});

test('a start-first step that a pause interrupts ends with one task on the node', () => {
  const world = new World(1);
  const startFirst = { Parallelism: 1, MaxFailureRatio: 0, Order: 'start-first' } as const;
  world.create('g', { ...Global, UpdateConfig: startFirst });
  world.settle();
  world.update('g', { image: 'app:2' });
  world.plan('g');
  world.node('n1', { spec: { Availability: 'pause' } });
  world.apply(world.scheduler.pass(world.store, world.ctx()).changes);
  expect(nodesOf(world)).toEqual(['n1', 'n1']);
  const step = world.tasks('g').at(-1);
  if (step !== undefined) world.report(step, 'running');
  world.settle();
  expect(show(world.tasks('g').filter((t) => t.desired === 'running'))).toEqual([
    'n1 running/running app:2',
  ]);
});

test('a paused node is not updated until it is active again, then without ceremony', () => {
  const world = new World(2);
  world.create('g', Global);
  world.settle();
  world.node('n1', { spec: { Availability: 'pause' } });
  world.update('g', { image: 'app:2' });
  world.run(60_000);
  const images = () =>
    world
      .tasks('g')
      .filter((t) => t.desired === 'running')
      .map((t) => `${t.nodeId} ${t.spec.ContainerSpec.Image}`)
      .sort();
  expect(images()).toEqual(['n1 app:1', 'n2 app:2']);
  expect(world.service('g').updateStatus?.state).toBe('completed');
  const status = world.service('g').updateStatus;
  world.node('n1', { spec: { Availability: 'active' } });
  world.settle();
  expect(images()).toEqual(['n1 app:2', 'n2 app:2']);
  expect(world.service('g').updateStatus).toBe(status);
});

test('constraints decide which nodes have one, also when labels change', () => {
  const world = new World(0);
  world.addNode('n1', { disk: 'ssd' });
  world.addNode('n2', { disk: 'hdd' });
  world.create('g', {
    ...Global,
    task: { Placement: { Constraints: ['node.labels.disk == ssd'] } },
  });
  world.settle();
  expect(nodesOf(world)).toEqual(['n1']);
  world.node('n1', { spec: { Labels: { disk: 'hdd' } } });
  world.node('n2', { spec: { Labels: { disk: 'ssd' } } });
  world.settle();
  expect(show(world.tasks('g'))).toEqual([
    'n1 shutdown/shutdown app:1',
    'n2 running/running app:1',
  ]);
});

test('unfit nodes have a task all the same, which says why it waits', () => {
  const world = new World(1);
  world.create('g', {
    ...Global,
    task: { Resources: { Reservations: { MemoryBytes: 1e15 } } },
  });
  world.settle();
  expect(world.tasks('g')[0]?.status).toMatchObject({
    state: 'pending',
    err: 'insufficient resources on 1 node',
  });
});

test('tasks of a deleted node go at once', () => {
  const world = new World(2);
  world.create('g', Global);
  world.settle();
  world.apply([{ op: 'delete', kind: 'node', id: 'n1' }]);
  world.settle();
  expect(show(world.tasks('g'))).toEqual(['n2 running/running app:1']);
});

test('a task that ends is restarted on its node after the delay', () => {
  const world = new World(2);
  world.create('g', Global);
  world.settle();
  const victim = world.tasks('g').find((t) => t.nodeId === 'n1');
  if (victim !== undefined) world.report(victim, 'failed');
  world.run(4_999);
  expect(nodesOf(world)).toEqual(['n2']);
  world.run(1);
  expect(nodesOf(world)).toEqual(['n1', 'n2']);
});

test('with condition none a node that was down does not run it again', () => {
  const world = new World(1);
  world.create('g', { ...Global, task: { RestartPolicy: { Condition: 'none' } } });
  world.settle();
  world.node('n1', { state: 'down' });
  world.settle();
  world.node('n1', { state: 'ready' });
  world.settle();
  expect(nodesOf(world)).toEqual([]);
});

test('a global service is updated node by node', () => {
  const world = new World(4);
  world.create('g', Global);
  world.settle();
  world.update('g', {
    image: 'app:2',
    UpdateConfig: { Parallelism: 2, MaxFailureRatio: 0, Delay: 1e9 },
  });
  world.settle();
  const updated = () => world.tasks('g').filter((t) => t.specVersion === 2).length;
  expect(updated()).toBe(2);
  world.run(1_000);
  expect(updated()).toBe(4);
  world.run(10_000);
  expect(world.service('g').updateStatus?.state).toBe('completed');
});
