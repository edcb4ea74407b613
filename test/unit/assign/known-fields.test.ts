import { expect, test } from '@jest/globals';
import { knownAt, levelFields } from '../../../domain/assign/known-fields.ts';
import { featureLevels, newestLevel } from '../../../domain/format/levels.ts';
import { pack, unpack } from '../../../bus/codec.ts';
import { replicas, World } from '../orchestrate/world.ts';

/** As a later level may add them. */
const invented = [
  { level: 2, path: ['spec', 'ContainerSpec', 'Vaults'] },
  { level: 2, path: ['networks'] },
  { level: 3, path: ['spec', 'Later', 'Deep'] },
];

function taskWithMore() {
  const world = new World();
  world.create('web', replicas(1));
  world.settle();
  const [task] = [...world.store.list('task')];
  if (task === undefined) throw new Error('no task');
  const spec = { ...task.spec, ContainerSpec: { ...task.spec.ContainerSpec, Vaults: ['a'] } };
  return { task, more: { ...task, spec, networks: ['n'] } };
}

test('a node below a level gets a task without what the level adds', () => {
  const { task, more } = taskWithMore();
  expect(unpack(pack(knownAt(1, more, invented)))).toEqual(unpack(pack(task)));
  expect(knownAt(2, more, invented)).toEqual(more);
});

test('a task without such fields, and any for a node that can all, is the same object', () => {
  const { task } = taskWithMore();
  expect(knownAt(0, task)).toBe(task);
  expect(knownAt(3, task, invented)).toBe(task);
});

test('every level that adds a field is a level that there is', () => {
  for (const { level } of levelFields) expect(level).toBeLessThanOrEqual(newestLevel);
  expect(featureLevels.map(({ level }) => level)).toEqual(featureLevels.map((_, i) => i + 1));
});
