import { expect, test } from '@jest/globals';
import type { UpdateConfig } from '../../../domain/model/spec.ts';
import { breaks, config, images, started, status } from './rollout.ts';
import { seconds, show, type World } from './world.ts';

const hostPort = {
  EndpointSpec: {
    Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' }] as const,
  },
};
const startFirst = config({ Order: 'start-first' });

/** Every node runs one task, and beside each waits one of app:2 that finds the host port taken. */
function stuck(options: Partial<UpdateConfig> = {}): World {
  const world = started(3, { ...hostPort, task: { RestartPolicy: { Condition: 'none' } } });
  world.update('web', {
    image: 'app:2',
    ...config({ ...options, Order: 'start-first', Parallelism: 0 }),
  });
  world.run(60_000);
  expect(show(world.tasks('web'))).toEqual(
    [1, 2, 3].flatMap((n) => [`${n} running/running app:1`, `${n} pending/running app:2`]),
  );
  return world;
}

test('an update goes on with what an earlier one has left halfway, slot by slot, and is watched', () => {
  const world = stuck();
  const made = world.tasks('web').filter((t) => t.byUpdate === true);
  world.stopMs = () => 1_000;
  world.update('web', config({ Delay: 2 * seconds }));
  const startedAt = world.now;
  world.settle();
  expect(status(world)).toEqual({ state: 'updating', message: 'update in progress', startedAt });
  expect(world.service('web').updateProgress).toEqual({ failed: 0, total: 3 });
  expect(images(world)).toEqual(['2 app:1', '3 app:1']);
  world.run(1_000);
  expect(images(world)).toEqual(['1 app:2', '2 app:1', '3 app:1']);
  world.run(7_000);
  expect(images(world)).toEqual(['1 app:2', '2 app:2', '3 app:2']);
  expect(
    world
      .tasks('web')
      .filter((t) => t.desired === 'running')
      .map(({ id }) => id),
  ).toEqual(made.map(({ id }) => id));
  expect(status(world)?.state).toBe('updating');
  world.run(5_000);
  expect(status(world)?.state).toBe('completed');
});

test('what is left halfway takes up parallelism before anything else, though another slot is down', () => {
  const world = started(3, { ...hostPort, task: { RestartPolicy: { Condition: 'none' } } });
  world.stopMs = () => 1_000;
  world.update('web', { image: 'app:2', ...startFirst });
  world.settle();
  const [third] = world.tasks('web').filter((t) => t.slot === 3);
  if (third !== undefined) world.report(third, 'failed');
  world.update('web', { Labels: { a: 'b' }, ...config({}) });
  world.plan('web');
  const made = () => world.tasks('web').filter((t) => t.byUpdate === true);
  expect(made().map((t) => t.slot)).toEqual([1]);
  world.run(60_000);
  expect(made().map((t) => t.slot)).toEqual([1, 3, 2]);
  expect(status(world)?.state).toBe('completed');
});

test.each([
  ['pause', 'paused', ['2 app:1', '3 app:1']],
  ['rollback', 'rollback_paused', ['3 app:1']],
  ['continue', 'completed', []],
] as const)(
  'a task that was left halfway and fails then is a failure of the update: %s',
  (FailureAction, state, left) => {
    const world = stuck();
    breaks(world, 'app:2');
    world.update('web', config({ FailureAction }));
    world.run(60_000);
    expect(status(world)?.state).toBe(state);
    expect(images(world)).toEqual(left);
  },
);

test('an update that starts first leaves both tasks of a slot where they are, and says so', () => {
  const world = stuck();
  world.update('web', { Labels: { a: 'b' }, ...startFirst });
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:1', '2 app:1', '3 app:1']);
  expect(status(world)?.state).toBe('updating');
  world.addNode('n4');
  world.run(60_000);
  expect(images(world)).toEqual(['1 app:2', '2 app:2', '3 app:2']);
  expect(status(world)?.state).toBe('completed');
});

test('a rollback of what never came to run ends the new tasks and is watched as any other', () => {
  const world = stuck();
  const before = world.tasks('web').filter((t) => t.status.state === 'running');
  world.rollback('web');
  const startedAt = world.now;
  world.settle();
  expect(show(world.tasks('web'))).toEqual(
    [1, 2, 3].flatMap((n) => [`${n} running/running app:1`, `${n} shutdown/shutdown app:2`]),
  );
  expect(status(world)?.state).toBe('rollback_started');
  world.run(4_999);
  expect(status(world)?.state).toBe('rollback_started');
  world.run(1);
  expect(status(world)).toMatchObject({ state: 'rollback_completed', startedAt });
  expect(
    world
      .tasks('web')
      .filter((t) => t.status.state === 'running')
      .map(({ id }) => id),
  ).toEqual(before.map(({ id }) => id));
});

test('a rollback while nothing else was made is complete at once', () => {
  const world = started(2);
  world.update('web', { Labels: { a: 'b' } });
  world.rollback('web');
  world.settle();
  expect(status(world)?.state).toBe('rollback_completed');
});

test('a forced update of the same spec replaces every task and is watched', () => {
  const world = started(2);
  world.update('web', { task: { ForceUpdate: 1 } });
  world.run(60_000);
  expect(world.tasks('web').filter((t) => t.byUpdate === true)).toHaveLength(2);
  expect(status(world)?.state).toBe('completed');
});
