import { expect, test } from '@jest/globals';
import { faultOf } from '../spec/helpers.ts';
import { nodeDraft, World } from './helpers.ts';

const place = { addr: 'a:1', bus: 'a:2', route: 'a:3', reachability: 'reachable' } as const;
const spec = { Labels: {}, Role: 'manager', Availability: 'active' } as const;
const world = (): World =>
  new World(
    { op: 'put', kind: 'node', object: nodeDraft('m', { spec, role: 'manager', manager: place }) },
    { op: 'put', kind: 'node', object: nodeDraft('n', { spec, role: 'manager' }) },
  );

test('a start of a manager is noted, with what people must know of it until the next', () => {
  const w = world();
  const told = { nodeId: 'm', number: 3, id: 'ff' };
  w.run('manager.started', { ...told, notice: 'why' });
  expect(w.store.node('m')?.manager).toEqual({
    ...place,
    start: { number: 3, id: 'ff' },
    notice: 'why',
  });
  const version = w.store.node('m')?.meta.version;
  w.run('manager.started', { ...told, notice: 'why' });
  expect(w.store.node('m')?.meta.version).toBe(version);
  w.run('manager.started', { ...told, number: 4 });
  expect(w.store.node('m')?.manager).toEqual({ ...place, start: { number: 4, id: 'ff' } });
});

test.each<[object, string]>([
  [{ nodeId: 'x' }, 'NotFound: node x not found'],
  [{ nodeId: 'n' }, 'FailedPrecondition: node n has not told where it is'],
  [{ number: 0 }, 'InvalidArgument: manager.started: "number" and "id" must name a start'],
  [{ number: '3' }, 'InvalidArgument: manager.started: "number" and "id" must name a start'],
  [{ id: 'x y' }, 'InvalidArgument: manager.started: "number" and "id" must name a start'],
])('%j is refused', (fields, text) => {
  const body = { nodeId: 'm', number: 1, id: 'ff', ...fields };
  expect(faultOf(() => world().run('manager.started', body))).toBe(text);
});

const told = { nodeId: 'm', addr: 'a:1', bus: 'a:2', route: 'a:3' };

test('a manager tells which feature level it can; the same again is no news', () => {
  const w = world();
  w.run('manager.enroll', { ...told, featureLevel: 2 });
  expect(w.store.node('m')?.manager).toEqual({ ...place, featureLevel: 2 });
  const version = w.store.node('m')?.meta.version;
  w.run('manager.enroll', { ...told, featureLevel: 2 });
  expect(w.store.node('m')?.meta.version).toBe(version);
  // of a version that knows of none
  w.run('manager.enroll', told);
  expect(w.store.node('m')?.manager).toEqual(place);
});

test('a manager below the level of the cluster is not let in', () => {
  const w = world();
  const id = w.store.cluster()?.id ?? '';
  w.apply([{ op: 'patch', kind: 'cluster', id, fields: { featureLevel: 2 } }]);
  expect(faultOf(() => w.run('manager.enroll', { ...told, featureLevel: 1 }))).toBe(
    'FailedPrecondition: the cluster is at feature level 2, and this natswarm can 1 at most: install a newer one',
  );
  expect(faultOf(() => w.run('manager.enroll', { ...told, featureLevel: 'x' }))).toBe(
    'InvalidArgument: manager.enroll: "featureLevel" must be a whole number',
  );
});
