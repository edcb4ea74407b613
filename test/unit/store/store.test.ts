import { expect, test } from '@jest/globals';
import { kinds } from '../../../domain/kinds/table.ts';
import { patchNode } from '../../../domain/store/changes.ts';
import { Store } from '../../../domain/store/store.ts';
import { replicas, World } from '../orchestrate/world.ts';

const ids = (found: Iterable<{ readonly id: string }>): readonly string[] =>
  [...found].map(({ id }) => id).sort();

function settled(): World {
  const world = new World(2);
  world.create('Web', replicas(3));
  world.settle();
  return world;
}

test('indexes follow what is put, patched and deleted', () => {
  const { store } = settled();
  const service = store.serviceByName('wEB');
  const tasks = ids(store.tasksOfService(service?.id ?? ''));
  expect(tasks).toHaveLength(3);
  expect(ids([...store.tasksOfNode('n1'), ...store.tasksOfNode('n2')])).toEqual(tasks);
  const [gone = '', ...left] = tasks;

  store.apply({
    index: store.index + 1,
    at: 1,
    changes: [
      { op: 'delete', kind: 'task', id: gone },
      patchNode('n2', { role: 'manager' }),
      { op: 'delete', kind: 'service', id: service?.id ?? '' },
    ],
  });
  expect(ids(store.tasksOfService(service?.id ?? ''))).toEqual(left);
  expect(ids([...store.tasksOfNode('n1'), ...store.tasksOfNode('n2')])).toEqual(left);
  expect(ids(store.managers())).toEqual(['n2']);
  expect(store.serviceByName('web')).toBeUndefined();

  store.apply({ index: store.index + 1, at: 1, changes: [patchNode('n2', { role: 'worker' })] });
  expect(ids(store.managers())).toEqual([]);
});

test('a store of what another one dumps is the same, its indexes too', () => {
  const { store } = settled();
  const copy = store.clone();
  for (const kind of kinds) expect([...copy.list(kind)]).toEqual([...store.list(kind)]);
  expect(ids(copy.tasksOfNode('n1'))).toEqual(ids(store.tasksOfNode('n1')));
});

test('of a kind that is not in what is loaded there are none', () => {
  const { node } = settled().store.dump();
  const store = Store.load(7, { node });
  expect(kinds.map((kind) => store.count(kind))).toEqual(
    kinds.map((kind) => (kind === 'node' ? 2 : 0)),
  );
});
