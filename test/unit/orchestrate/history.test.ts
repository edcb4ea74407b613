import { expect, test } from '@jest/globals';
import type { Cluster } from '../../../domain/model/objects.ts';
import { seconds, World } from './world.ts';

function retain(world: World, TaskHistoryRetentionLimit: number): void {
  const spec = { Orchestration: { TaskHistoryRetentionLimit } } as Cluster['spec'];
  world.apply([{ op: 'put', kind: 'cluster', object: { id: 'c', spec } as Cluster }]);
}

test.each([
  ['the default', undefined, {}, 5],
  ['two', 2, {}, 2],
  ['none beyond the live task', 0, {}, 1],
  ['all', -1, {}, 22],
  ['MaxAttempts and one more', 2, { MaxAttempts: 7 }, 8],
] as const)('history: %s', (_, limit, policy, expected) => {
  const world = new World();
  if (limit !== undefined) retain(world, limit);
  world.create('web', { task: { RestartPolicy: { Delay: 1 * seconds, ...policy } } });
  world.fate = () => ({ runsMs: 0, ends: 'failed' });
  world.run(20_000);
  expect(world.tasks('web')).toHaveLength(expected);
});

test('without history the last task of a slot that may not run again still tells so', () => {
  const world = new World();
  retain(world, 0);
  world.create('web', { task: { RestartPolicy: { Condition: 'none' } } });
  world.fate = () => ({ runsMs: 0, ends: 'failed' });
  world.run(60_000);
  expect(world.tasks('web').map((t) => t.id)).toEqual(['t000001']);
});

test('the oldest go first, and nothing that runs', () => {
  const world = new World();
  retain(world, 2);
  world.create('web');
  world.settle();
  world.stopMs = () => 20_000;
  for (const image of ['app:2', 'app:3', 'app:4']) {
    world.update('web', { image, UpdateConfig: { Parallelism: 1, MaxFailureRatio: 0 } });
    world.settle();
  }
  // The first still stops; the two between were never started.
  expect(world.tasks('web').map((t) => t.spec.ContainerSpec.Image)).toContain('app:1');
  world.run(60_000);
  expect(world.tasks('web').map((t) => t.spec.ContainerSpec.Image)).toEqual(['app:3', 'app:4']);
});

test('ends that count against MaxAttempts outlive those of lost nodes', () => {
  const world = new World(2);
  world.create('web', { task: { RestartPolicy: { MaxAttempts: 2, Window: 1e15, Delay: 0 } } });
  world.settle();
  const end = (): void => {
    const task = world.tasks('web').find((t) => t.status.state === 'running');
    if (task !== undefined) world.report(task, 'failed');
    world.run(1_000);
  };
  const lose = (): void => {
    const nodeId = world.tasks('web').find((t) => t.status.state === 'running')?.nodeId ?? '';
    world.node(nodeId, { spec: { Availability: 'drain' } });
    world.run(1_000);
    world.node(nodeId, { spec: { Availability: 'active' } });
  };
  for (const step of [end, lose, lose, end, lose]) step();
  expect(world.tasks('web').some((t) => t.desired === 'running')).toBe(true);
  end();
  expect(world.tasks('web').some((t) => t.desired === 'running')).toBe(false);
});
