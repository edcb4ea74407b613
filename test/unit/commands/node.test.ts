import { expect, test } from '@jest/globals';
import { faultOf } from '../spec/helpers.ts';
import { nodeDraft, now, taskDraft, World } from './helpers.ts';

const workerSpec = { Labels: {}, Role: 'worker', Availability: 'active' } as const;
const withWorker = (state: 'ready' | 'down' = 'down') =>
  new World({
    op: 'put',
    kind: 'node',
    object: nodeDraft('n2', {
      spec: workerSpec,
      role: 'worker',
      status: { state, message: '', addr: '' },
    }),
  });

test('an update replaces the spec', () => {
  const world = new World();
  const spec = { Role: 'Manager', Availability: 'DRAIN', Labels: { a: 'b' } };
  expect(world.run('node.update', { id: 'n1', version: 1, spec })).toStrictEqual({});
  expect(world.store.node('n1')).toMatchObject({
    spec: { Role: 'manager', Availability: 'drain', Labels: { a: 'b' } },
    status: { state: 'ready' },
    meta: { version: 2 },
  });
});

const manager = { Role: 'manager', Availability: 'active' };

test('an update needs the newest spec, not the newest state', () => {
  const world = withWorker();
  const promote = { id: 'n2', version: 1, spec: manager };
  world.apply([
    {
      op: 'patch',
      kind: 'node',
      id: 'n2',
      fields: { status: { state: 'ready', message: '', addr: '' } },
    },
  ]);
  world.run('node.update', promote);
  expect(world.store.node('n2')?.meta).toMatchObject({ version: 3, versionOfSpec: 3 });
  for (const version of [1, 2, 4])
    expect(faultOf(() => world.run('node.update', { ...promote, version }))).toBe(
      'Unknown: update out of sequence',
    );
});

const refused: readonly [object, string][] = [
  [{ spec: {} }, 'daemon InvalidArgument: invalid Role: ""'],
  [{ spec: { Role: 'manager' } }, 'daemon InvalidArgument: invalid Availability: ""'],
  [{ id: 'n9' }, 'NotFound: node n9 not found'],
  [{ version: 7 }, 'Unknown: update out of sequence'],
  [
    { spec: workerSpec, version: 7 },
    'FailedPrecondition: attempting to demote the last manager of the swarm',
  ],
];
test.each(refused)('refused update: %j', (fields, text) => {
  const world = withWorker();
  const input = { id: 'n1', version: 1, spec: manager, ...fields };
  expect(faultOf(() => world.run('node.update', input))).toBe(text);
});

test('a manager whose place is given up is no other one for the last that stays', () => {
  const world = withWorker();
  const manager2 = { ...place, reachability: 'reachable', leaving: true } as const;
  const spec = { Labels: {}, Availability: 'active', Role: 'manager' } as const;
  const object = { ...nodeDraft('n3', { spec, role: 'manager', manager: manager2 }) };
  world.apply([{ op: 'put', kind: 'node', object }]);
  const demote = { id: 'n1', version: 1, spec: workerSpec };
  expect(faultOf(() => world.run('node.update', demote))).toBe(
    'FailedPrecondition: attempting to demote the last manager of the swarm',
  );
  // itself it may be demoted once more
  world.apply([seated('n1', 'reachable')]);
  const version = world.store.node('n3')?.meta.version;
  world.run('node.update', { id: 'n3', version, spec: workerSpec });
  expect(roles(world, 'n3')).toEqual(['worker', 'manager']);
});

const place = { addr: 'h:2377', bus: 'h:7946', route: 'h:7947' };
const seated = (id: string, reachability: 'reachable' | 'unreachable') => ({
  op: 'put' as const,
  kind: 'node' as const,
  object: { ...nodeDraft(id), manager: { ...place, reachability } },
});
const roles = (world: World, id: string): readonly unknown[] => {
  const node = world.store.node(id);
  return [node?.spec.Role, node?.role];
};

test('a worker that is promoted gets a manager’s certificates at once', () => {
  const world = withWorker();
  world.run('node.update', { id: 'n2', version: 1, spec: manager });
  expect(roles(world, 'n2')).toEqual(['manager', 'manager']);
});

test('a manager with a part in the log keeps its role until the leader has taken it out', () => {
  const world = new World(
    seated('n2', 'reachable'),
    seated('n3', 'reachable'),
    seated('n4', 'reachable'),
  );
  const version = world.store.node('n2')?.meta.version ?? 0;
  world.run('node.update', { id: 'n2', version, spec: workerSpec });
  expect(roles(world, 'n2')).toEqual(['worker', 'manager']);
});

test('a manager stays when the others would be no majority without it', () => {
  const world = new World(
    seated('n2', 'reachable'),
    seated('n3', 'unreachable'),
    seated('n4', 'reachable'),
  );
  const version = world.store.node('n2')?.meta.version ?? 0;
  expect(faultOf(() => world.run('node.update', { id: 'n2', version, spec: workerSpec }))).toBe(
    "FailedPrecondition: can't remove member from the raft: this would result in a loss of quorum",
  );
});

test('a node that is down is removed, and its tasks end with it', () => {
  const world = withWorker();
  const running = taskDraft('t1', { nodeId: 'n2' });
  const failed = taskDraft('t2', {
    nodeId: 'n2',
    status: { state: 'failed', at: 1, message: 'x' },
  });
  const elsewhere = taskDraft('t3');
  world.apply([running, failed, elsewhere].map((object) => ({ op: 'put', kind: 'task', object })));
  expect(world.run('node.remove', { id: 'n2' })).toStrictEqual({});
  expect(world.store.node('n2')).toBeUndefined();
  expect(world.store.task('t1')?.status).toStrictEqual({
    state: 'orphaned',
    at: now,
    message: 'Task belonged to a node that has been deleted',
  });
  expect(world.store.task('t2')?.status.state).toBe('failed');
  expect(world.store.task('t3')?.status.state).toBe('running');
});

test('a node that is ready goes only by force, a manager never', () => {
  const world = withWorker('ready');
  expect(faultOf(() => world.run('node.remove', { id: 'n2' }))).toBe(
    "FailedPrecondition: node n2 is not down and can't be removed",
  );
  expect(faultOf(() => world.run('node.remove', { id: 'n1', force: true }))).toBe(
    'FailedPrecondition: node n1 is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal',
  );
  expect(faultOf(() => world.run('node.remove', { id: 'n9' }))).toBe('NotFound: node n9 not found');
  expect(faultOf(() => world.run('node.remove', { id: 'n2', force: 'yes' }))).toBe(
    'InvalidArgument: node.remove: "force" must be true or false',
  );
  world.run('node.remove', { id: 'n2', force: true });
  expect(world.store.node('n2')).toBeUndefined();
});
