import { expect, test } from '@jest/globals';
import { nodeReady, nodesSilent } from '../../../domain/assign/node-status.ts';
import { taskReports } from '../../../domain/assign/reports.ts';
import { sessionFailed } from '../../../domain/assign/session-failure.ts';
import { limits } from '../../../domain/limits.ts';
import type { NodeDescription, TaskStatus } from '../../../domain/model/objects.ts';
import { World } from '../orchestrate/world.ts';

const why = 'the leader cannot hold a session with this node: too large';

/** Node n1 with a running task and `waiting` tasks that it has not been told of. */
function buildWorld(waiting: number) {
  const world = new World(2);
  world.create('runs', { Mode: { Global: {} } });
  world.settle();
  const [runs] = world.store.tasksOfNode('n1');
  for (let i = 0; i < waiting; i++) {
    const status: TaskStatus = { state: 'assigned', at: 1, message: 'scheduler assigned' };
    const object = { ...runs!, id: `w${i}`, slot: i + 1, status };
    world.apply([{ op: 'put', kind: 'task', object }]);
  }
  const fail = (reason: string) => world.apply(sessionFailed(world.store, 'n1', reason, world.now));
  const texts = () =>
    [...world.store.tasksOfNode('n1')].flatMap(({ id, status: { err } }) =>
      err === undefined ? [] : [`${id} ${err}`],
    );
  return { world, fail, texts, node: () => world.store.node('n1') };
}

test('node and waiting tasks say why there is no session; what runs is left alone', () => {
  const { world, fail, texts, node } = buildWorld(2);
  fail('too large');
  expect(node()?.status).toMatchObject({ state: 'unknown', message: why });
  expect(texts()).toEqual([`w0 ${why}`, `w1 ${why}`]);
  expect(sessionFailed(world.store, 'n1', 'too large', world.now + 1)).toEqual([]);
  fail('another reason');
  expect(node()?.status.message).toContain('another reason');
});

test('a session that comes about clears it', () => {
  const { world, fail, texts, node } = buildWorld(1);
  fail('too large');
  const description = node()?.description as NodeDescription;
  world.apply(nodeReady(world.store, 'n1', description, world.now));
  expect(node()?.status).toMatchObject({ state: 'ready', message: '' });
  const status = { state: 'accepted', at: 2, message: 'accepted' } as const;
  const ctx = { now: world.now, newId: () => '' };
  world.apply(taskReports(world.store, ctx, 'n1', [{ taskId: 'w0', status }]).changes);
  expect(texts()).toEqual([]);
});

test('a node that is down, or is not there, is left as it is', () => {
  const { world, fail, node } = buildWorld(1);
  world.apply(nodesSilent(world.store, ['n1'], world.now, () => false));
  fail('too large');
  expect(node()?.status.message).toBe('heartbeat failure');
  expect(sessionFailed(world.store, 'n9', '', 0)).toEqual([]);
});

test('text and changes are bounded, and the next failure goes on', () => {
  const { world, fail, texts, node } = buildWorld(limits.planChangesMax + 1);
  const reason = 'x'.repeat(2 * limits.statusTextLengthMax);
  expect(sessionFailed(world.store, 'n1', reason, 0)).toHaveLength(limits.planChangesMax);
  fail(reason);
  expect(node()?.status.message).toHaveLength(limits.statusTextLengthMax);
  expect(texts()).toHaveLength(limits.planChangesMax - 1);
  fail(reason);
  expect(texts()).toHaveLength(limits.planChangesMax + 1);
});
