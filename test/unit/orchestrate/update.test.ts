import { expect, test } from '@jest/globals';
import type { UpdateConfig } from '../../../domain/model/spec.ts';
import { breaks, broken, config, images, started, status } from './rollout.ts';
import { forever, replicas, seconds, show, World } from './world.ts';

const rollbackConfig = (options: Partial<UpdateConfig>) => ({
  RollbackConfig: { Parallelism: 1, MaxFailureRatio: 0, ...options },
});

test('an update goes slot by slot, and is complete a monitor period after the last', () => {
  const world = started(3);
  world.update('web', { image: 'app:2', ...config({ Delay: 2 * seconds }) });
  const startedAt = world.now;
  world.settle();
  expect(status(world)).toEqual({ state: 'updating', message: 'update in progress', startedAt });
  expect(world.service('web').updateProgress).toEqual({ failed: 0, total: 3 });
  expect(images(world)).toEqual(['1 app:2', '2 app:1', '3 app:1']);
  world.run(2_000);
  expect(images(world)).toEqual(['1 app:2', '2 app:2', '3 app:1']);
  world.run(2_000);
  expect(images(world)).toEqual(['1 app:2', '2 app:2', '3 app:2']);
  world.run(4_999);
  expect(status(world)?.state).toBe('updating');
  world.run(1);
  expect(status(world)).toEqual({
    state: 'completed',
    message: 'update completed',
    startedAt,
    completedAt: world.now,
  });
  expect(world.service('web').updateProgress).toBeUndefined();
  expect(world.plan('web')).toEqual({ changes: [], reasons: [] });
});

test.each([
  ['nothing that tasks see', { Labels: { a: 'b' }, ...config({ Parallelism: 2 }) }],
  ['replicas', replicas(4)],
])('changing %s updates nothing and leaves no status', (_, patch) => {
  const world = started(3);
  const ids = world.tasks('web').map((t) => t.id);
  world.update('web', patch);
  world.run(60_000);
  expect(status(world)).toBeUndefined();
  expect(
    world
      .tasks('web')
      .slice(0, 3)
      .map((t) => t.id),
  ).toEqual(ids);
});

test('stop-first: the new task is prepared while the old one stops, and starts then', () => {
  const world = started(1);
  world.stopMs = () => 3_000;
  world.update('web', { image: 'app:2' });
  world.run(2_999);
  expect(show(world.tasks('web'))).toEqual(['1 running/shutdown app:1', '1 ready/ready app:2']);
  world.run(1);
  expect(show(world.tasks('web'))).toEqual([
    '1 shutdown/shutdown app:1',
    '1 running/running app:2',
  ]);
});

test('start-first: the old task stops once the new one runs', () => {
  const world = started(1);
  world.update('web', { image: 'app:2', ...config({ Order: 'start-first' }) });
  world.plan('web');
  expect(show(world.tasks('web'))).toEqual(['1 running/running app:1', '1 pending/running app:2']);
  world.apply(world.scheduler.pass(world.store, world.ctx()).changes);
  world.plan('web');
  expect(show(world.tasks('web'))).toEqual(['1 running/running app:1', '1 assigned/running app:2']);
  world.settle();
  expect(show(world.tasks('web'))).toEqual([
    '1 shutdown/shutdown app:1',
    '1 running/running app:2',
  ]);
});

test.each([
  [1, 1],
  [2, 2],
  [0, 5],
])('parallelism %i takes %i slots at a time', (Parallelism, expected) => {
  const world = started(5);
  world.stopMs = () => 1_000;
  world.update('web', { image: 'app:2', ...config({ Parallelism }) });
  world.settle();
  expect(world.tasks('web').filter((t) => t.specVersion === 2)).toHaveLength(expected);
  world.run(60_000);
  expect(images(world)).toHaveLength(5);
  expect(status(world)?.state).toBe('completed');
});

test('an update waits for the new task to run before it goes on', () => {
  const world = started(2);
  world.update('web', {
    image: 'app:2',
    task: { Resources: { Reservations: { MemoryBytes: 1e15 } } },
  });
  world.run(600_000);
  expect(images(world)).toEqual(['2 app:1']);
  expect(status(world)?.state).toBe('updating');
  expect(world.plan('web').reasons).toEqual(['waiting for the update to get there (1)']);
});

test('an update is not complete while its last task waits for a node', () => {
  const world = started(1);
  world.update('web', {
    image: 'app:2',
    task: { Resources: { Reservations: { MemoryBytes: 1e15 } } },
  });
  world.run(600_000);
  expect(status(world)?.state).toBe('updating');
  expect(world.plan('web').reasons).toEqual(['waiting for the updated tasks to run (1)']);
});

test.each([
  ['that cannot be prepared', { fails: 'preparing' }],
  ['that does not start', { fails: 'starting' }],
  ['that ends within the monitor period', { runsMs: 4_999, ends: 'failed' }],
  ['that ends well, but early', { runsMs: 1_000, ends: 'complete' }],
] as const)('the first task %s pauses the update', (_, fate) => {
  const world = started(3);
  breaks(world, 'app:2', fate);
  world.update('web', { image: 'app:2', ...config({ Delay: 4 * seconds }) });
  const startedAt = world.now;
  world.run(12_000);
  const failed = world.tasks('web').find((t) => t.byUpdate === true);
  expect(status(world)).toEqual({
    state: 'paused',
    message: `update paused due to failure or early termination of task ${failed?.id}`,
    startedAt,
  });
  expect(
    world.tasks('web').filter((t) => t.specVersion === 1 && t.desired === 'running').length,
  ).toBeGreaterThan(0);
});

test('a paused update stays so, restarts go on, new replicas have the new spec', () => {
  const world = started(2);
  breaks(world, 'app:2');
  world.update('web', { image: 'app:2' });
  world.run(60_000);
  expect(images(world)).toEqual(['2 app:1']);
  const made = world.tasks('web').filter((t) => t.slot === 1);
  expect(made).toHaveLength(5);
  expect(world.plan('web').reasons).toContain('the update is paused (1)');
});

test('any command makes a paused update go on, with the slots that are left', () => {
  const world = started(3);
  breaks(world, 'app:2');
  world.update('web', { image: 'app:2' });
  world.run(10_000);
  expect(status(world)?.state).toBe('paused');
  world.fate = () => forever;
  world.run(10_000);
  world.update('web', { Labels: { again: 'yes' } });
  world.settle();
  expect(world.service('web').updateProgress?.total).toBe(2);
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:2', '2 app:2', '3 app:2']);
  expect(status(world)?.state).toBe('completed');
});

test('a task that ends after the monitor period is restarted and does not count', () => {
  const world = started(2);
  breaks(world, 'app:2', { runsMs: 5_001, ends: 'failed' });
  world.update('web', { image: 'app:2', ...config({ Delay: 4 * seconds }) });
  world.run(4_000 + 5_000);
  expect(status(world)?.state).toBe('completed');
});

test.each([
  // Slots of ten that fail, the ratio allowed, whether the update pauses.
  [1, 0, true],
  [1, 0.1, false],
  [2, 0.1, true],
  [3, 0.3, false],
  [4, 0.3, true],
  [10, 1, false],
])('%i failures of 10 at a ratio of %d: paused %s', (failures, MaxFailureRatio, paused) => {
  const world = started(10);
  world.fate = (task) =>
    task.byUpdate === true && task.slot <= failures ? { fails: 'starting' } : forever;
  world.update('web', { image: 'app:2', ...config({ Parallelism: 2, MaxFailureRatio }) });
  world.run(120_000);
  expect(status(world)?.state).toBe(paused ? 'paused' : 'completed');
});

test('failures are counted once, and by whoever leads', () => {
  const world = started(4);
  world.fate = (task) => (task.byUpdate === true ? { fails: 'starting' } : forever);
  world.update('web', { image: 'app:2', ...config({ Parallelism: 0, MaxFailureRatio: 1 }) });
  world.settle();
  expect(world.service('web').updateProgress).toEqual({ failed: 4, total: 4 });
  world.run(4_000);
  expect(world.service('web').updateProgress).toEqual({ failed: 4, total: 4 });
});

test('with action continue failures are not looked at', () => {
  const world = started(3);
  breaks(world, 'app:2');
  world.update('web', { image: 'app:2', ...config({ FailureAction: 'continue' }) });
  world.run(60_000);
  expect(status(world)?.state).toBe('completed');
  expect(images(world)).toEqual([]);
  expect(
    world
      .tasks('web')
      .filter((t) => t.desired !== 'shutdown')
      .every((t) => t.specVersion === 2),
  ).toBe(true);
});

test('a rollback takes the spec before, at once, and with its own configuration', () => {
  const world = started(4, { ...rollbackConfig({ Parallelism: 0, Monitor: 2 * seconds }) });
  breaks(world, 'app:2');
  world.update('web', {
    ...replicas(4),
    image: 'app:2',
    ...config({ FailureAction: 'rollback', Parallelism: 2, MaxFailureRatio: 0.3 }),
  });
  const startedAt = world.now;
  world.settle();
  const service = world.service('web');
  expect(service).toMatchObject({ specVersion: 3, spec: { Name: 'web' } });
  expect(service.spec.TaskTemplate.ContainerSpec.Image).toBe('app:1');
  expect(service).not.toHaveProperty('previousSpec');
  expect(service.updateStatus?.state).toBe('rollback_started');
  expect(service.updateStatus?.message).toMatch(
    /^update rolled back due to failure or early termination of task t\d+$/,
  );
  expect(service.updateStatus?.startedAt).toBe(startedAt);
  expect(images(world)).toEqual(['1 app:1', '2 app:1', '3 app:1', '4 app:1']);
  world.run(1_999);
  expect(status(world)?.state).toBe('rollback_started');
  world.run(1);
  expect(status(world)).toEqual({
    state: 'rollback_completed',
    message: 'rollback completed',
    startedAt,
    completedAt: world.now,
  });
  expect(world.plan('web').changes).toEqual([]);
});

test.each([
  ['pause', 'update paused due to'],
  ['rollback', 'rollback paused due to'],
] as const)('a rollback that fails with action %s is paused', (FailureAction, text) => {
  const world = started(3, rollbackConfig({ FailureAction }));
  world.fate = (task) => (task.byUpdate === true ? broken : forever);
  world.update('web', { image: 'app:2', ...config({ FailureAction: 'rollback' }) });
  world.run(60_000);
  expect(status(world)?.state).toBe('rollback_paused');
  expect(status(world)?.message).toContain(text);
});

test('without a spec to go back to the update is paused', () => {
  const world = started(2);
  breaks(world, 'app:2');
  world.update('web', { image: 'app:2', ...config({ FailureAction: 'rollback' }) });
  world.apply([{ op: 'patch', kind: 'service', id: 'web', fields: { previousSpec: undefined } }]);
  world.settle();
  expect(status(world)?.state).toBe('paused');
});

test('a manual rollback, and one of the rollback', () => {
  const world = started(3);
  world.update('web', { image: 'app:2' });
  world.run(60_000);
  for (const image of ['app:1', 'app:2']) {
    world.rollback('web');
    world.settle();
    expect(status(world)).toMatchObject({
      state: 'rollback_started',
      message: 'manually requested rollback',
    });
    world.run(60_000);
    expect(images(world)).toEqual([`1 ${image}`, `2 ${image}`, `3 ${image}`]);
    expect(status(world)?.state).toBe('rollback_completed');
  }
});

test('a rollback that has nothing to do is complete at once', () => {
  const world = started(2);
  world.update('web', { Labels: { a: 'b' } });
  world.rollback('web');
  world.settle();
  expect(status(world)).toMatchObject({ state: 'rollback_completed', completedAt: world.now });
});

test('a new update replaces the running one', () => {
  const world = started(4);
  world.stopMs = () => 1_000;
  world.update('web', { image: 'app:2' });
  world.run(1_500);
  world.update('web', { image: 'app:3' });
  world.settle();
  expect(world.service('web').updateProgress).toEqual({ failed: 0, total: 4 });
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:3', '2 app:3', '3 app:3', '4 app:3']);
});

test('slots where nothing runs are updated first, and without their restart delay', () => {
  const world = new World(3);
  world.create('web', replicas(4));
  breaks(world, 'app:1');
  world.fate = (task) =>
    task.slot >= 3 && task.spec.ContainerSpec.Image === 'app:1' ? broken : forever;
  world.run(7_000);
  world.update('web', { image: 'app:2', ...config({ Delay: 60 * seconds }) });
  world.settle();
  expect(images(world)).toEqual(['1 app:1', '2 app:1', '3 app:2']);
});

test('an old task that dies during an update is replaced by the new spec at once', () => {
  const world = started(4);
  world.update('web', { image: 'app:2', ...config({ Delay: 30 * seconds }) });
  world.settle();
  const victim = world.tasks('web').find((t) => t.slot === 4);
  if (victim !== undefined) world.report(victim, 'failed');
  world.settle();
  expect(images(world)).toEqual(['1 app:2', '2 app:1', '3 app:1', '4 app:2']);
  world.run(29_999);
  expect(images(world)).toEqual(['1 app:2', '2 app:1', '3 app:1', '4 app:2']);
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:2', '2 app:2', '3 app:2', '4 app:2']);
});

test('a step of the update that is lost with its node is done again and watched', () => {
  const world = started(2);
  world.stopMs = () => 10_000;
  world.update('web', { image: 'app:2' });
  world.settle();
  const step = world.tasks('web').find((t) => t.byUpdate === true);
  world.node(step?.nodeId ?? '', { state: 'down' });
  world.settle();
  const again = world.tasks('web').find((t) => t.slot === step?.slot && t.desired !== 'shutdown');
  expect(again).toMatchObject({ byUpdate: true, specVersion: 2 });
  breaks(world, 'app:2');
  world.run(60_000);
  expect(status(world)?.message).toContain(again?.id);
});

test.each([
  ['pause', 'paused', 1],
  ['continue', 'completed', 0],
] as const)(
  'start-first, action %s: a new task that fails leaves the old one',
  (FailureAction, state, restarts) => {
    const world = started(2);
    breaks(world, 'app:2');
    world.update('web', { image: 'app:2', ...config({ Order: 'start-first', FailureAction }) });
    let fewest = 2;
    world.onApplied = () => {
      fewest = Math.min(fewest, images(world).length);
    };
    world.run(60_000);
    expect(fewest).toBe(2);
    expect(status(world)?.state).toBe(state);
    const tries = world.tasks('web').filter((t) => t.slot === 1 && t.specVersion === 2).length;
    if (restarts === 1) expect(tries).toBe(1);
    else expect(tries).toBeGreaterThan(1);
  },
);

test('changing the order in the middle of an update ends the old tasks first', () => {
  const world = started(1);
  world.update('web', { image: 'app:2', ...config({ Order: 'start-first' }) });
  world.plan('web');
  world.update('web', config({ Order: 'stop-first' }));
  world.plan('web');
  expect(show(world.tasks('web'))).toEqual(['1 running/shutdown app:1', '1 pending/running app:2']);
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:2']);
});

test('start-first: failures that are allowed are restarted beside the old tasks', () => {
  const world = started(2);
  breaks(world, 'app:2');
  world.update('web', { image: 'app:2', ...config({ Order: 'start-first', MaxFailureRatio: 1 }) });
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:1', '2 app:1']);
  expect(status(world)?.state).toBe('completed');
  world.fate = () => forever;
  world.run(10_000);
  expect(images(world)).toEqual(['1 app:2', '2 app:2']);
});

test('start-first: what fails after the update was paused is not restarted', () => {
  const world = started(2);
  world.fate = (task) => {
    if (task.spec.ContainerSpec.Image === 'app:1') return forever;
    return task.slot === 1 ? broken : { runsMs: 0, ends: 'failed' };
  };
  world.update('web', { image: 'app:2', ...config({ Order: 'start-first', Parallelism: 2 }) });
  world.plan('web');
  const late = world.tasks('web').find((t) => t.slot === 2 && t.byUpdate === true);
  world.fate = (task) => (task.id === late?.id ? forever : broken);
  const early = world.tasks('web').find((t) => t.slot === 1 && t.byUpdate === true);
  if (early !== undefined) world.report(early, 'failed');
  world.plan('web');
  expect(status(world)?.state).toBe('paused');
  if (late !== undefined) world.report(late, 'failed');
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:1', '2 app:1']);
  expect(world.tasks('web').filter((t) => t.specVersion === 2)).toHaveLength(2);
});

test('start-first with a task that may not be restarted: tried once, then left alone', () => {
  const world = started(2, { task: { RestartPolicy: { Condition: 'none' } } });
  breaks(world, 'app:2');
  const UpdateConfig = config({ Order: 'start-first', FailureAction: 'continue' });
  world.update('web', { image: 'app:2', ...UpdateConfig });
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:1', '2 app:1']);
  expect(world.tasks('web').filter((t) => t.specVersion === 2)).toHaveLength(2);
  world.fate = () => forever;
  world.update('web', { Labels: { again: 'yes' } });
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:2', '2 app:2']);
});

test('scaling with a new spec updates what is there and adds what is missing', () => {
  const world = started(2);
  world.update('web', { ...replicas(4), image: 'app:2', ...config({ Delay: 10 * seconds }) });
  world.settle();
  expect(images(world)).toEqual(['1 app:2', '2 app:1', '3 app:2', '4 app:2']);
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:2', '2 app:2', '3 app:2', '4 app:2']);
});

test('a monitor shorter than the delay is the delay and a second', () => {
  const world = started(1);
  world.update('web', { image: 'app:2', ...config({ Delay: 10 * seconds, Monitor: 1 * seconds }) });
  world.run(10_999);
  expect(status(world)?.state).toBe('updating');
  world.run(1);
  expect(status(world)?.state).toBe('completed');
});

test('so many failures at once that one plan cannot hold them are all counted', () => {
  const world = new World(1);
  world.create('web', replicas(2_300));
  for (let i = 0; i < 3; i++) world.plan('web');
  for (const task of world.tasks('web')) world.report(task, 'running');
  world.update('web', { image: 'app:2', ...config({ Parallelism: 0, MaxFailureRatio: 1 }) });
  while (world.plan('web').changes.length > 0);
  for (const task of world.tasks('web').filter((t) => t.byUpdate === true))
    world.report(task, 'failed');
  while (world.plan('web').changes.length > 0);
  expect(world.service('web').updateProgress).toEqual({ failed: 2_300, total: 2_300 });
});
