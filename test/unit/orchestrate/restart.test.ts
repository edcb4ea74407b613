import { expect, test } from '@jest/globals';
import type { RestartPolicy } from '../../../domain/model/spec.ts';
import { planNode } from '../../../domain/orchestrate/plan-node.ts';
import { replicas, seconds, show, World } from './world.ts';

const withPolicy = (RestartPolicy: RestartPolicy) => ({ task: { RestartPolicy } });
const only = (world: World) => world.tasks('web').filter((t) => t.desired === 'running');

test('a task that ended is followed by one that is prepared at once and starts after the delay', () => {
  const world = new World();
  world.create('web');
  world.settle();
  const [first] = world.tasks('web');
  if (first !== undefined) world.report(first, 'failed');
  world.settle();
  expect(show(world.tasks('web'))).toEqual(['1 failed/shutdown app:1', '1 ready/ready app:1']);
  expect(world.tasks('web')[1]).toMatchObject({
    replaces: first?.id,
    startAfter: world.now + 5_000,
    restarts: 1,
  });
  const plan = world.plan('web');
  expect(plan).toEqual({
    changes: [],
    wakeAt: world.now + 5_000,
    reasons: ['waiting for the restart delay (1)'],
  });
  world.run(4_999);
  expect(world.tasks('web')[1]?.desired).toBe('ready');
  world.run(1);
  expect(show(world.tasks('web'))).toEqual(['1 failed/shutdown app:1', '1 running/running app:1']);
});

test.each([
  ['the default', {}, 5_000],
  ['two seconds', { Delay: 2 * seconds }, 2_000],
  ['none, for a task that lived a while', { Delay: 0 }, 0],
])('restart delay: %s', (_, policy, delayMs) => {
  const world = new World();
  world.create('web', withPolicy(policy));
  world.fate = (task) => ({ runsMs: task.restarts === undefined ? 3_000 : 1e9, ends: 'complete' });
  world.run(3_000);
  expect(only(world)).toHaveLength(delayMs === 0 ? 1 : 0);
  world.run(delayMs);
  expect(only(world)).toHaveLength(1);
  expect(only(world)[0]?.runningAt).toBe(1_003_000 + delayMs);
});

test.each([
  ['any', 'complete', true],
  ['any', 'failed', true],
  ['on-failure', 'complete', false],
  ['on-failure', 'failed', true],
  ['on-failure', 'rejected', true],
  ['none', 'failed', false],
  ['none', 'complete', false],
] as const)('condition %s, a task that is %s: restarted %s', (Condition, state, restarted) => {
  const world = new World();
  world.create('web', withPolicy({ Condition, Delay: 0 }));
  world.settle();
  const [task] = world.tasks('web');
  if (task !== undefined) world.report(task, state);
  world.run(60_000);
  expect(world.tasks('web')).toHaveLength(restarted ? 2 : 1);
  expect(world.tasks('web')[0]).toMatchObject({ desired: 'shutdown', status: { state } });
});

test('what may not be restarted keeps its slot: scaling does not refill it, an update runs it again', () => {
  const world = new World();
  world.create('web', { ...replicas(2), ...withPolicy({ Condition: 'none' }) });
  world.settle();
  const [task] = world.tasks('web');
  if (task !== undefined) world.report(task, 'complete');
  world.settle();
  expect(world.plan('web').reasons).toEqual(['not restarted by its restart policy (1)']);
  world.update('web', replicas(3));
  world.run(60_000);
  expect(show(world.tasks('web'))).toEqual([
    '1 complete/shutdown app:1',
    '2 running/running app:1',
    '3 running/running app:1',
  ]);
  world.update('web', { image: 'app:2' });
  world.run(60_000);
  expect(
    only(world)
      .map((t) => `${t.slot} ${t.spec.ContainerSpec.Image}`)
      .sort(),
  ).toEqual(['1 app:2', '2 app:2', '3 app:2']);
});

test('a rollback runs ended tasks of the original spec again', () => {
  const world = new World();
  world.create('web', withPolicy({ Condition: 'none' }));
  world.fate = ({ spec }) => ({
    runsMs: spec.ContainerSpec.Image === 'app:1' ? 10_000 : 1e9,
    ends: 'complete',
  });
  world.run(20_000);
  world.update('web', { image: 'app:2' });
  world.settle();
  world.update('web', { Labels: { a: 'b' } });
  world.run(60_000);
  world.rollback('web');
  world.run(5_000);
  expect(show(world.tasks('web')).at(-1)).toBe('1 running/running app:2');
  const [task] = only(world);
  if (task !== undefined) world.report(task, 'complete');
  world.settle();
  expect(only(world)).toEqual([]);
  world.rollback('web');
  world.run(5_000);
  expect(only(world)).toHaveLength(1);
});

test.each([1, 3])('MaxAttempts %i bounds the restarts of a slot', (MaxAttempts) => {
  const world = new World();
  world.create('web', { ...replicas(2), ...withPolicy({ MaxAttempts, Delay: 1 * seconds }) });
  world.fate = (task) => ({ runsMs: task.slot === 1 ? 10 : 1e9, ends: 'failed' });
  world.run(100_000);
  expect(world.tasks('web').filter((t) => t.slot === 1)).toHaveLength(MaxAttempts + 1);
  expect(only(world).map((t) => t.slot)).toEqual([2]);
  world.update('web', { image: 'app:2' });
  world.run(100_000);
  const again = world.tasks('web').filter((t) => t.slot === 1 && t.specVersion === 2);
  expect(again).toHaveLength(MaxAttempts + 1);
});

test('only restarts inside the window count', () => {
  const world = new World();
  const policy = { MaxAttempts: 2, Window: 10 * seconds, Delay: 1 * seconds };
  world.create('web', withPolicy(policy));
  let runsMs = 8_000;
  world.fate = () => ({ runsMs, ends: 'failed' });
  world.run(120_000);
  expect(world.tasks('web').some((t) => t.desired !== 'shutdown')).toBe(true);
  expect(world.tasks('web').length).toBeLessThanOrEqual(3);
  runsMs = 10;
  world.run(120_000);
  expect(only(world)).toEqual([]);
  const before = world.tasks('web').map((t) => t.id);
  world.run(120_000);
  expect(world.tasks('web').map((t) => t.id)).toEqual(before);
});

test.each([
  ['down', { state: 'down' }],
  ['drained', { spec: { Availability: 'drain' } }],
] as const)('a task whose node is %s is replaced elsewhere without delay', (_, fields) => {
  const world = new World(2);
  world.create('web', withPolicy({ MaxAttempts: 1 }));
  world.settle();
  for (let round = 0; round < 4; round++) {
    const [task] = only(world);
    const nodeId = task?.nodeId ?? '';
    world.node(nodeId, fields);
    world.settle();
    expect(only(world).map((t) => [t.status.state, t.nodeId])).toEqual([
      ['running', nodeId === 'n1' ? 'n2' : 'n1'],
    ]);
    world.node(nodeId, { state: 'ready', spec: { Availability: 'active' } });
    world.settle();
    expect(only(world)).toHaveLength(1);
  }
});

test('the tasks of a deleted node are replaced, and forgotten', () => {
  const world = new World(2);
  world.create('web', replicas(2));
  world.settle();
  world.apply([{ op: 'delete', kind: 'node', id: 'n1' }]);
  world.apply(planNode(world.store, 'n1', world.ctx()).changes);
  world.settle();
  expect(show(world.tasks('web'))).toEqual(['1 running/running app:1', '2 running/running app:1']);
  expect(world.tasks('web').every((t) => t.nodeId === 'n2')).toBe(true);
});

test('a replacement waits for the old task to stop, but a minute at most', () => {
  const world = new World(2);
  world.create('web');
  world.settle();
  const [old] = only(world);
  world.stopMs = (task) => (task.id === old?.id ? 3_600_000 : 0);
  world.node(old?.nodeId ?? '', { spec: { Availability: 'drain' } });
  world.run(59_999);
  expect(show(world.tasks('web'))).toEqual(['1 running/shutdown app:1', '1 ready/ready app:1']);
  expect(world.plan('web').reasons).toEqual(['waiting for the old task to stop (1)']);
  world.run(1);
  expect(show(world.tasks('web'))).toEqual(['1 running/shutdown app:1', '1 running/running app:1']);
});

test('a node that goes down is not waited for', () => {
  const world = new World(2);
  world.create('web');
  world.settle();
  const [old] = only(world);
  world.stopMs = () => 3_600_000;
  world.node(old?.nodeId ?? '', { spec: { Availability: 'drain' } });
  world.settle();
  expect(only(world)).toEqual([]);
  world.node(old?.nodeId ?? '', { state: 'down' });
  world.settle();
  expect(only(world).map((t) => t.status.state)).toEqual(['running']);
});

test('a replacement waits for whatever may still run in its slot, even if it did not say so', () => {
  const world = new World(2);
  world.create('web');
  world.settle();
  world.update('web', { image: 'app:2' });
  world.plan('web');
  world.apply(world.scheduler.pass(world.store, world.ctx()).changes);
  const [first, second] = world.tasks('web');
  if (first !== undefined) world.report(first, 'shutdown');
  if (second !== undefined) world.report(second, 'preparing');
  world.plan('web');
  expect(world.store.task(second?.id ?? '')?.desired).toBe('running');
  // It may have started by now, though the last that it said was something else.
  world.update('web', { image: 'app:3' });
  world.plan('web');
  expect(world.tasks('web').at(-1)).toMatchObject({ desired: 'ready', replaces: second?.id });
  if (second !== undefined) world.report(second, 'shutdown');
  world.plan('web');
  expect(world.tasks('web').at(-1)?.desired).toBe('running');
});

test('what waits in a slot is not started beside a start-first step that was told to run', () => {
  const world = new World(2);
  world.create('web');
  world.settle();
  world.stopMs = () => 3_600_000;
  world.update('web', { image: 'app:2' });
  world.settle();
  const UpdateConfig = { Parallelism: 1, MaxFailureRatio: 0, Order: 'start-first' } as const;
  world.update('web', { image: 'app:3', UpdateConfig });
  world.plan('web');
  const [first, second, third] = world.tasks('web');
  expect([second?.desired, third?.desired]).toEqual(['ready', 'running']);
  if (first !== undefined) world.report(first, 'shutdown');
  world.plan('web');
  expect(world.store.task(second?.id ?? '')?.desired).toBe('ready');
});

test('a replacement that is lost before it started hands its wait on', () => {
  const world = new World(3);
  world.create('web');
  world.settle();
  const [old] = only(world);
  world.stopMs = () => 30_000;
  world.node(old?.nodeId ?? '', { spec: { Availability: 'drain' } });
  world.settle();
  const waiting = world.tasks('web').find((t) => t.desired === 'ready');
  world.node(waiting?.nodeId ?? '', { state: 'down' });
  world.settle();
  const third = world.tasks('web').find((t) => t.desired === 'ready');
  expect(third?.id).not.toBe(waiting?.id);
  world.run(29_999);
  expect(only(world)).toEqual([]);
  world.run(1);
  expect(only(world).map((t) => t.id)).toEqual([third?.id]);
});

test('a replacement that is lost in its restart delay hands the rest of it on', () => {
  const world = new World(3);
  world.create('web');
  world.settle();
  const [first] = only(world);
  if (first !== undefined) world.report(first, 'failed');
  world.run(2_000);
  const waiting = world.tasks('web').find((t) => t.desired === 'ready');
  world.node(waiting?.nodeId ?? '', { state: 'down' });
  world.run(2_999);
  expect(only(world)).toEqual([]);
  world.run(1);
  expect(only(world)).toHaveLength(1);
});

test.each([
  ['a missing image', { fails: 'preparing' }, undefined, 5_000],
  ['a missing image without a delay', { fails: 'preparing' }, 0, 1_000],
  ['a container that does not start', { fails: 'starting' }, undefined, 5_000],
  ['a container that ends at once, without a delay', { runsMs: 0, ends: 'complete' }, 0, 1_000],
] as const)('%s costs bounded work and history', (_, fate, Delay, periodMs) => {
  const world = new World();
  world.create('web', withPolicy(Delay === undefined ? {} : { Delay }));
  world.fate = () => fate;
  let made = 0;
  world.onApplied = (applied) => {
    for (const change of applied)
      if (change.kind === 'task' && change.before === undefined) made += 1;
    expect(world.tasks('web').length).toBeLessThanOrEqual(6);
  };
  world.run(100_000);
  expect(made).toBeLessThanOrEqual(100_000 / periodMs + 2);
  expect(made).toBeGreaterThan(100_000 / periodMs / 2);
  expect(world.tasks('web')).toHaveLength(5);
});

test('two current tasks in a slot, as a plan cut short may leave, become one', () => {
  const world = new World();
  world.create('web');
  world.settle();
  const [task] = world.tasks('web');
  const twin = { ...task, id: 'twin' } as NonNullable<typeof task>;
  world.apply([{ op: 'put', kind: 'task', object: twin }]);
  world.settle();
  expect(only(world)).toHaveLength(1);
});

test('a slot whose last task was ended without a replacement is filled again', () => {
  const world = new World();
  world.create('web');
  world.settle();
  const [task] = world.tasks('web');
  world.apply([{ op: 'patch', kind: 'task', id: task?.id ?? '', fields: { desired: 'shutdown' } }]);
  world.settle();
  expect(show(world.tasks('web'))).toEqual([
    '1 shutdown/shutdown app:1',
    '1 running/running app:1',
  ]);
});

test('a replacement that no node took yet goes with a word when it is not wanted any more', () => {
  const world = new World(0);
  world.create('web');
  world.settle();
  world.update('web', { image: 'app:2' });
  world.settle();
  expect(show(world.tasks('web'))).toEqual([
    '1 shutdown/shutdown app:1',
    '1 pending/running app:2',
  ]);
});
