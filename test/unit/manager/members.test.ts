import { expect, test } from '@jest/globals';
import type { Decision } from '../../../actors/manager/committer.ts';
import { MembersDuty } from '../../../actors/manager/members.ts';
import type { Draft } from '../../../domain/store/changes.ts';
import type { Context, View } from '../../../domain/store/view.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { runUntil } from '../../sim/world/drive.ts';
import { nodeDraft, World } from '../commands/helpers.ts';

const manager = (id: string): Draft<'node'> =>
  nodeDraft(id, {
    spec: { Labels: {}, Role: 'manager', Availability: 'active' },
    manager: { addr: `${id}:1`, bus: `${id}:2`, route: `${id}:3`, reachability: 'reachable' },
  });

function build() {
  const clock = new VirtualClock();
  const world = new World(
    { op: 'delete', kind: 'node', id: 'n1' },
    { op: 'put', kind: 'node', object: manager('a') },
  );
  const heard = new Map<string, number>();
  const duty = new MembersDuty({
    nodeId: 'a',
    view: world.store,
    group: undefined,
    propose: <T>(decide: (view: View, ctx: Context) => Decision<T>) => {
      const { changes, result } = decide(world.store, { now: 0, newId: () => '' });
      if (changes.length > 0) world.apply(changes);
      return Promise.resolve({ result, index: world.store.index });
    },
    clock,
    now: () => 0,
    heardAt: (id) => heard.get(id),
    abdicate: () => undefined,
    report: () => undefined,
  });
  const reachability = (id: string) => world.store.node(id)?.manager?.reachability;
  return { world, clock, heard, duty, reachability };
}

test('a manager that has just come is not unreachable before it was asked', async () => {
  const { world, clock, duty, reachability } = build();
  await duty.plan();
  await runUntil(clock, 60_000);
  world.apply([{ op: 'put', kind: 'node', object: manager('b') }]);
  await duty.plan();
  expect(reachability('b')).toBe('reachable');
  await runUntil(clock, 70_000);
  await duty.plan();
  expect(reachability('b')).toBe('unreachable');
});

test('one that comes back as a manager is not judged by what was heard of it before', async () => {
  const { world, clock, heard, duty, reachability } = build();
  heard.set('b', 1_000);
  await runUntil(clock, 60_000);
  world.apply([{ op: 'put', kind: 'node', object: manager('b') }]);
  await duty.plan();
  expect(reachability('b')).toBe('reachable');
});
