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
