import { expect, test } from '@jest/globals';
import { pack } from '../../../bus/codec.ts';
import {
  type CheckpointState,
  decodeCheckpoint,
  encodeCheckpoint,
} from '../../../actors/manager/checkpoint.ts';
import { Incompatible } from '../../../domain/format/format.ts';
import { limits } from '../../../domain/limits.ts';
import { replicas, World } from '../orchestrate/world.ts';

const envBytes = limits.specBytesMax;

/** A hundred tasks of a spec at its limit, half of them of the version before. */
function buildState(): CheckpointState {
  const world = new World();
  const task = (letter: string) => ({
    ContainerSpec: { Image: 'app:1', Env: [letter.repeat(envBytes)] },
  });
  world.create('web', { ...replicas(50), task: task('x') });
  world.settle();
  world.update('web', { task: task('y') });
  world.settle();
  return { epoch: 1, at: 5, leader: 'm', objects: world.store.dump() };
}

test('what tasks share is in a checkpoint once, and is one object when it is loaded', () => {
  const state = buildState();
  const data = encodeCheckpoint(state);
  // the service has both specs as well
  expect(data.length).toBeLessThan(4 * envBytes + 100_000);
  const loaded = decodeCheckpoint(data);
  expect(loaded).toEqual(state);
  expect(new Set(loaded.objects.task.map(({ spec }) => spec)).size).toBe(
    new Set(state.objects.task.map(({ spec }) => spec)).size,
  );
});

test('a checkpoint of before, in which each task has its own, is loaded alike', () => {
  const state = buildState();
  const task = state.objects.task.slice(0, 3);
  const before = { ...state, objects: { ...state.objects, task } };
  const loaded = decodeCheckpoint(pack(before));
  expect(loaded).toEqual(before);
  expect(new Set(loaded.objects.task.map(({ spec }) => spec)).size).toBe(1);
});

test('a checkpoint without a kind of object, whose writer did not know it, has none of it', () => {
  const { objects, ...state } = buildState();
  const { service: _, task: __, ...known } = objects;
  expect(decodeCheckpoint(pack({ ...state, objects: known }))).toEqual({
    ...state,
    objects: { ...objects, service: [], task: [] },
  });
});

test('a checkpoint that a newer natswarm wrote is refused, whatever of it is unknown', () => {
  const { objects, ...state } = buildState();
  const newer = [
    { v: 2, ...state, objects },
    { v: 1, ...state, templates: [], objects: { ...objects, network: [] } },
  ];
  for (const written of newer) expect(() => decodeCheckpoint(pack(written))).toThrow(Incompatible);
});
