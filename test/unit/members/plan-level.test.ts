import { expect, test } from '@jest/globals';
import { Incompatible } from '../../../domain/format/format.ts';
import { requireLevel } from '../../../domain/format/levels.ts';
import { planLevel } from '../../../domain/members/plan-level.ts';
import { patchNode } from '../../../domain/store/changes.ts';
import { nodeDraft, World } from '../commands/helpers.ts';

const place = { addr: 'a:1', bus: 'a:2', route: 'a:3', reachability: 'reachable' } as const;
const manager = (id: string, featureLevel?: number) =>
  ({
    op: 'put',
    kind: 'node',
    object: nodeDraft(id, {
      manager: { ...place, ...(featureLevel !== undefined && { featureLevel }) },
    }),
  }) as const;

/** Takes the plan's changes until there are none; gives the level. */
function settle(world: World): number | undefined {
  for (;;) {
    const { changes } = planLevel(world.store);
    if (changes.length === 0) return world.store.cluster()?.featureLevel;
    world.apply(changes);
  }
}

test('the level is what every manager that has told where it is can', () => {
  const world = new World(manager('a', 2), manager('b', 1));
  expect(settle(world)).toBe(1);
  world.apply([patchNode('b', { manager: { ...place, featureLevel: 3 } })]);
  expect(settle(world)).toBe(2);
  // it is never lowered
  world.apply([patchNode('b', { manager: { ...place, featureLevel: 1 } })]);
  expect(settle(world)).toBe(2);
});

test('a manager that has told of no level keeps the cluster where it is, and the plan says which', () => {
  const world = new World(manager('a', 1), manager('b'), manager('c'));
  expect(settle(world)).toBeUndefined();
  expect(planLevel(world.store).reasons).toEqual([
    'the feature level stays 0: upgrade the manager b, c',
  ]);
  world.apply([patchNode('b', { manager: undefined }), patchNode('c', { manager: undefined })]);
  expect(settle(world)).toBe(1);
});

test('a manager below the level of the cluster does not start, and says what to install', () => {
  expect(() => requireLevel({ featureLevel: 2 }, 2)).not.toThrow();
  expect(() => requireLevel({}, 0)).not.toThrow();
  expect(() => requireLevel({ featureLevel: 2 }, 1)).toThrow(Incompatible);
  expect(() => requireLevel({ featureLevel: 2 }, 1)).toThrow(
    'the cluster is at feature level 2, and this natswarm can 1 at most: install',
  );
});
