// Whoever asks why nothing happens is told.

import { expect, test } from '@jest/globals';
import type { Node } from '../../../domain/model/objects.ts';
import { nodeReasons, serviceReasons } from '../../../domain/orchestrate/reasons.ts';
import { replicas, World } from './world.ts';

function service(world: World, name: string): readonly string[] {
  const { id = '' } = world.store.serviceByName(name) ?? {};
  return serviceReasons(world.store, id, world.now);
}

function node(world: World, fields: Partial<Node>): readonly string[] {
  const found = world.store.node('n1');
  if (found === undefined) throw new Error('there is no node n1');
  return nodeReasons(world.store, { ...found, ...fields }, world.now);
}

test('a service that is as it should be has no reasons', () => {
  const world = new World(1);
  world.create('web', replicas(2));
  world.settle();
  expect(service(world, 'web')).toEqual([]);
  expect(node(world, {})).toEqual([]);
});

test('tasks that no node takes are counted by what they wait for', () => {
  const world = new World(1);
  world.create('web', {
    ...replicas(2),
    task: { Placement: { Constraints: ['node.labels.disk == ssd'] } },
  });
  world.settle();
  expect(service(world, 'web')).toEqual([
    expect.stringMatching(/^waiting for a node: no suitable node \(.*\) \(2\)$/),
  ]);
});

test('a node that gets nothing says all that stands in the way', () => {
  const world = new World(1);
  const { spec } = world.store.node('n1') as Node;
  const at = Date.UTC(2026, 0, 1);
  const down = { state: 'down', message: '', addr: '' } as const;
  expect(node(world, { spec: { ...spec, Availability: 'drain' } })).toEqual([
    'no tasks: the node is drained',
  ]);
  expect(node(world, { spec: { ...spec, Availability: 'pause' } })).toEqual([
    'no new tasks: the node is paused',
  ]);
  expect(node(world, { status: down })).toEqual(['no new tasks: the node is down']);
  expect(node(world, { status: down, engineAwaySince: at, heldUntil: at + 1 })).toEqual([
    'no new tasks: its engine does not answer since 2026-01-01T00:00:00.000Z',
    'its tasks stay until 2026-01-01T00:00:00.001Z, in case it comes back',
  ]);
  expect(node(world, { restUntil: at, barredUntil: world.now + 1 })).toHaveLength(2);
});
