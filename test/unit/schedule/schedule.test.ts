import { expect, test } from '@jest/globals';
import type { Task } from '../../../domain/model/objects.ts';
import { Scheduler } from '../../../domain/schedule/schedule.ts';
import { Cluster } from './cluster.ts';

test('an assignment is a patch of node and status only', () => {
  const cluster = new Cluster();
  cluster.node('n1');
  const id = cluster.task('s');
  expect(cluster.pass()).toEqual({
    changes: [
      {
        op: 'patch',
        kind: 'task',
        id,
        fields: {
          nodeId: 'n1',
          status: { state: 'assigned', at: 1_000, message: 'scheduler assigned task to node' },
        },
      },
    ],
    more: false,
  });
});

test.each([
  ['no node', () => {}, {}, 'no suitable node'],
  [
    'nodes that take nothing',
    (c: Cluster) => {
      c.node('a', { availability: 'drain' });
      c.node('b', { availability: 'pause' });
      c.node('c', { state: 'down' });
      c.node('d', { state: 'unknown' });
    },
    {},
    'no suitable node (4 nodes not available for new tasks)',
  ],
  [
    'resources',
    (c: Cluster) => c.node('a', { memory: 100 }),
    { memory: 101 },
    'no suitable node (insufficient resources on 1 node)',
  ],
  [
    'constraints',
    (c: Cluster) => c.node('a'),
    { placement: { Constraints: ['node.role == manager'] } },
    'no suitable node (scheduling constraints not satisfied on 1 node)',
  ],
  [
    'platform',
    (c: Cluster) => c.node('a'),
    { placement: { Platforms: [{ OS: 'linux', Architecture: 'arm64' }, { OS: 'windows' }] } },
    'no suitable node (unsupported platform on 1 node)',
  ],
  [
    'a volume driver',
    (c: Cluster) => c.node('a'),
    {
      spec: {
        ContainerSpec: {
          Image: 'x',
          Mounts: [
            { Type: 'volume', VolumeOptions: { DriverConfig: { Name: 'nfs' } } },
            { Type: 'volume', VolumeOptions: { DriverConfig: { Name: 'local' } } },
          ],
        },
      },
    },
    'no suitable node (missing plugin on 1 node)',
  ],
  [
    'a log driver',
    (c: Cluster) =>
      c.node('a', {
        description: {
          engine: { version: '28', labels: {}, plugins: [{ type: 'Log', name: 'json-file' }] },
        },
      }),
    { spec: { LogDriver: { Name: 'fluentd' } } },
    'no suitable node (missing plugin on 1 node)',
  ],
  [
    'generic resources',
    (c: Cluster) =>
      c.node('a', {
        description: {
          resources: {
            nanoCpus: 1e9,
            memoryBytes: 100,
            generic: [{ NamedResourceSpec: { Kind: 'gpu', Value: 'one' } }],
          },
        },
      }),
    {
      spec: {
        Resources: {
          Reservations: { GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }] },
        },
      },
    },
    'no suitable node (insufficient resources on 1 node)',
  ],
  [
    'replicas per node',
    (c: Cluster) => {
      c.node('a');
      c.running('s', 'a');
    },
    { placement: { MaxReplicas: 1 } },
    'no suitable node (max replicas per node limit exceed)',
  ],
  [
    'a host port',
    (c: Cluster) => {
      c.node('a');
      c.running('other', 'a', { hostPort: 80 });
    },
    { hostPort: 80 },
    'no suitable node (host-mode port already in use on 1 node)',
  ],
  [
    'several reasons, the most frequent first',
    (c: Cluster) => {
      c.node('a', { availability: 'drain' });
      c.node('b', { memory: 1 });
      c.node('c', { memory: 1 });
      c.node('d', { labels: { x: 'y' } });
    },
    { memory: 2, placement: { Constraints: ['node.labels.x == z'] } },
    'no suitable node (insufficient resources on 2 nodes; 1 node not available for new tasks; ' +
      'scheduling constraints not satisfied on 1 node)',
  ],
] as const)('says why nothing fits: %s', (_, prepare, options, err) => {
  const cluster = new Cluster();
  prepare(cluster);
  const id = cluster.task('s', options as Parameters<Cluster['task']>[1]);
  cluster.pass();
  expect(cluster.store.task(id)).toMatchObject({
    nodeId: '',
    status: { state: 'pending', message: 'pending task scheduling', err },
  });
  expect(cluster.pass()).toEqual({ changes: [], more: false });
});

test.each([
  ['amd64 is x86_64', { Platforms: [{ Architecture: 'amd64', OS: 'linux' }] }],
  ['nothing asked for', { Platforms: [{}] }],
  ['one of several', { Platforms: [{ OS: 'windows' }, { OS: 'linux' }] }],
])('platform fits: %s', (_, placement) => {
  const cluster = new Cluster();
  cluster.node('a');
  const id = cluster.task('s', { placement });
  cluster.pass();
  expect(cluster.nodeOf(id)).toBe('a');
});

test('a node that names no log drivers is not asked for one', () => {
  const cluster = new Cluster();
  cluster.node('a');
  const id = cluster.task('s', { spec: { LogDriver: { Name: 'fluentd' } } });
  cluster.pass();
  expect(cluster.nodeOf(id)).toBe('a');
});

test('plugins are found by name and by name:latest', () => {
  const cluster = new Cluster();
  const plugins = [
    { type: 'Volume', name: 'nfs:latest' },
    { type: 'Log', name: 'fluentd' },
  ];
  cluster.node('a', { description: { engine: { version: '28', labels: {}, plugins } } });
  const Mounts = [{ Type: 'volume', VolumeOptions: { DriverConfig: { Name: 'nfs' } } }] as const;
  const id = cluster.task('s', {
    spec: { ContainerSpec: { Image: 'x', Mounts }, LogDriver: { Name: 'fluentd' } },
  });
  cluster.pass();
  expect(cluster.nodeOf(id)).toBe('a');
});

test('nodes with fewer tasks of the service come first, then those with fewer tasks at all', () => {
  const cluster = new Cluster();
  for (const id of ['a', 'b', 'c']) cluster.node(id);
  cluster.running('s', 'a');
  cluster.running('other', 'b');
  cluster.running('other', 'b');
  expect(cluster.tasks(4, 's').map((id) => (cluster.pass(), cluster.nodeOf(id)))).toEqual([
    'c',
    'b',
    'a',
    'c',
  ]);
});

test('fewer tasks of the service count for more than fewer tasks at all', () => {
  const cluster = new Cluster();
  cluster.node('a');
  cluster.node('b');
  for (let i = 0; i < 5; i++) cluster.running('other', 'a');
  cluster.running('s', 'a');
  for (let i = 0; i < 3; i++) cluster.running('s', 'b');
  const ids = cluster.tasks(3, 's');
  cluster.pass();
  expect(ids.map((id) => cluster.nodeOf(id))).toEqual(['a', 'a', 'b']);
});

test('what is shut down still takes room, but no rank', () => {
  const cluster = new Cluster();
  cluster.node('a', { memory: 100 });
  cluster.node('b', { memory: 100 });
  cluster.running('s', 'a', { memory: 60, desired: 'shutdown' });
  cluster.running('s', 'b');
  const [big, small] = [cluster.task('s', { memory: 50, specVersion: 2 }), cluster.task('s')];
  cluster.pass();
  expect([cluster.nodeOf(big), cluster.nodeOf(small)]).toEqual(['b', 'a']);
});

test('a node that failed the service five times lately is the last resort', () => {
  const cluster = new Cluster();
  cluster.node('a');
  cluster.node('b');
  const fail = (count: number) => {
    for (let i = 0; i < count; i++) cluster.end(cluster.running('s', 'a'), 'failed');
  };
  fail(4);
  cluster.tasks(2, 's');
  cluster.pass();
  expect(cluster.spread('s')).toMatchObject({ b: 1 });
  fail(1);
  const next = cluster.tasks(3, 's');
  cluster.pass();
  expect(next.map((id) => cluster.nodeOf(id))).toEqual(['b', 'b', 'b']);
  const [other] = cluster.tasks(1, 'other');
  cluster.pass();
  expect(cluster.nodeOf(other as string)).toBe('a');
  cluster.now += 5 * 60_000;
  const [later] = cluster.tasks(1, 's');
  cluster.pass();
  expect(cluster.nodeOf(later as string)).toBe('a');
});

test('a new leader knows of failures from the history', () => {
  const cluster = new Cluster();
  cluster.node('a');
  cluster.node('b');
  for (let i = 0; i < 5; i++) cluster.end(cluster.running('s', 'a'), 'rejected');
  cluster.running('s', 'b');
  const id = cluster.task('s');
  const { changes } = new Scheduler(cluster.store).pass(cluster.store, cluster);
  expect(changes).toMatchObject([{ id, fields: { nodeId: 'b' } }]);
});

test.each([1, 7, 100, 1_003])('%i tasks spread within one over equal nodes', (count) => {
  const cluster = new Cluster();
  for (let i = 0; i < 20; i++) cluster.node(`n${i}`);
  cluster.tasks(count, 's');
  cluster.pass();
  const counts = Object.values(cluster.spread('s'));
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  expect(counts.reduce((a, b) => a + b)).toBe(count);
});

test('many services of one task spread over the nodes', () => {
  const cluster = new Cluster();
  for (let i = 0; i < 10; i++) cluster.node(`n${i}`);
  for (let i = 0; i < 30; i++) cluster.task(`s${i}`);
  cluster.pass();
  for (const node of cluster.store.list('node'))
    expect([...cluster.store.tasksOfNode(node.id)]).toHaveLength(3);
});

test('preferences divide tasks evenly over the values of a label, level by level', () => {
  const cluster = new Cluster();
  const racks: Record<string, Record<string, string>> = {
    a: { zone: 'east', rack: '1' },
    b: { zone: 'east', rack: '1' },
    c: { zone: 'east', rack: '2' },
    d: { zone: 'west', rack: '1' },
    e: {},
  };
  for (const [id, labels] of Object.entries(racks)) cluster.node(id, { labels });
  const Preferences = ['node.labels.zone', 'node.hostname', 'node.labels.rack'].map(
    (SpreadDescriptor) => ({ Spread: { SpreadDescriptor } }),
  );
  cluster.tasks(12, 's', { placement: { Preferences } });
  cluster.pass();
  expect(cluster.spread('s')).toEqual({ a: 1, b: 1, c: 2, d: 4, e: 4 });
});

test('a full branch of a preference leaves its share to the others', () => {
  const cluster = new Cluster();
  cluster.node('a', { labels: { zone: 'east' }, memory: 10 });
  cluster.node('b', { labels: { zone: 'west' } });
  const Preferences = [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }];
  cluster.tasks(6, 's', { memory: 10, placement: { Preferences } });
  cluster.pass();
  expect(cluster.spread('s')).toEqual({ a: 1, b: 5 });
});

test('global tasks are confirmed on their node, or say why not', () => {
  const cluster = new Cluster();
  cluster.node('a');
  cluster.node('b', { memory: 10 });
  cluster.node('c', { availability: 'pause' });
  const on = (nodeId: string) => cluster.task('g', { nodeId, slot: 0, memory: 20 });
  const [a, b, c, gone] = [on('a'), on('b'), on('c'), on('gone')];
  cluster.pass();
  expect(cluster.waiting()).toEqual([b, c, gone]);
  expect(cluster.store.task(a)?.status).toEqual({
    state: 'assigned',
    at: 1_000,
    message: 'scheduler confirmed task can run on preassigned node',
  });
  expect([b, c, gone].map((id) => cluster.err(id))).toEqual([
    'insufficient resources on 1 node',
    '1 node not available for new tasks',
    undefined,
  ]);
  cluster.node('b');
  cluster.pass();
  expect(cluster.store.task(b)?.status.state).toBe('assigned');
});

test('what waits is tried again when there is room, and its reason goes', () => {
  const cluster = new Cluster();
  cluster.node('a', { memory: 10 });
  const first = cluster.running('other', 'a', { memory: 10 });
  const [one, two] = cluster.tasks(2, 's', { memory: 5 }) as [string, string];
  cluster.pass();
  expect(cluster.err(one)).toBe('no suitable node (insufficient resources on 1 node)');
  cluster.end(first, 'complete');
  cluster.pass();
  expect([one, two].map((id) => cluster.nodeOf(id))).toEqual(['a', 'a']);
  expect(cluster.err(one)).toBeUndefined();
});

test('tasks that are not wanted any more are not assigned', () => {
  const cluster = new Cluster();
  cluster.node('a');
  cluster.task('s', { desired: 'shutdown' });
  cluster.task('s', { status: { state: 'new', at: 0, message: 'created' } });
  expect(cluster.pass()).toEqual({ changes: [], more: false });
});

test('a task that changes while it waits is assigned once', () => {
  const cluster = new Cluster();
  cluster.node('a');
  const id = cluster.task('s', { desired: 'ready' });
  cluster.apply([{ op: 'patch', kind: 'task', id, fields: { desired: 'running' } }]);
  const gone = cluster.task('s');
  cluster.apply([{ op: 'patch', kind: 'task', id: gone, fields: { desired: 'remove' } }]);
  expect(cluster.pass().changes).toMatchObject([{ id }]);
  expect(cluster.pass().changes).toEqual([]);
});

test('a pass that was not written is done again, without counting twice', () => {
  const cluster = new Cluster();
  cluster.node('a', { memory: 10 });
  const id = cluster.task('s', { memory: 10 });
  const lost = cluster.scheduler.pass(cluster.store, { now: 1 });
  expect(lost.changes).toHaveLength(1);
  expect(cluster.scheduler.pass(cluster.store, { now: 1 })).toEqual(lost);
  cluster.node('b', { state: 'down' });
  cluster.pass();
  expect(cluster.nodeOf(id)).toBe('a');
});

test('room that a lost pass had given away is there again', () => {
  const cluster = new Cluster();
  cluster.node('a', { memory: 10 });
  const [first, second] = [cluster.task('s1', { memory: 10 }), cluster.task('s2', { memory: 10 })];
  const lost = cluster.scheduler.pass(cluster.store, { now: 1 });
  expect(lost.changes).toMatchObject([{ id: first, fields: { nodeId: 'a' } }, { id: second }]);
  const draft = cluster.store.clone();
  const change = { op: 'delete', kind: 'task', id: first } as const;
  draft.extend({ index: draft.index + 1, at: 1, changes: [change] });
  const again = cluster.scheduler.pass(draft, { now: 1 });
  expect(again.changes).toMatchObject([{ id: second, fields: { nodeId: 'a' } }]);
});

test('a task that is gone from the view, though not from the log yet, is left alone', () => {
  const cluster = new Cluster();
  cluster.node('a');
  const [gone, stays] = cluster.tasks(2, 's') as [string, string];
  const draft = cluster.store.clone();
  const change = { op: 'delete', kind: 'task', id: gone } as const;
  draft.extend({ index: draft.index + 1, at: 1, changes: [change] });
  expect(cluster.scheduler.pass(draft, { now: 1 }).changes).toMatchObject([{ id: stays }]);
});

test('a pass keeps to its limit and says that there is more', () => {
  const cluster = new Cluster();
  cluster.node('a', { memory: 25 });
  cluster.tasks(30, 's', { memory: 1 });
  expect(cluster.pass(10)).toMatchObject({ more: true, changes: { length: 10 } });
  expect(cluster.pass(10)).toMatchObject({ more: true, changes: { length: 10 } });
  expect(cluster.pass(10)).toMatchObject({ more: true, changes: { length: 10 } });
  expect(cluster.pass(10)).toEqual({ more: false, changes: [] });
  expect(cluster.waiting()).toHaveLength(5);
});

test('many waiting tasks that nothing fits hold up no others', () => {
  const cluster = new Cluster();
  cluster.node('a', { memory: 10 });
  cluster.tasks(30, 'big', { memory: 11 });
  for (let i = 0; i < 3; i++) cluster.pass(10);
  const id = cluster.task('s');
  cluster.pass(10);
  expect(cluster.nodeOf(id)).toBe('a');
});

test('a removed node is forgotten', () => {
  const cluster = new Cluster();
  cluster.node('a');
  const old = cluster.running('s', 'a');
  cluster.apply([{ op: 'delete', kind: 'node', id: 'a' }]);
  cluster.end(old, 'orphaned');
  const id = cluster.task('s');
  cluster.pass();
  expect(cluster.err(id)).toBe('no suitable node');
  cluster.node('b');
  cluster.pass();
  expect(cluster.nodeOf(id)).toBe('b');
});

test('a scheduler that followed the log and a new one agree', () => {
  const cluster = new Cluster();
  for (let i = 0; i < 5; i++) cluster.node(`n${i}`, { memory: 50 });
  cluster.tasks(20, 's', { memory: 7 });
  cluster.pass();
  for (const task of [...cluster.store.tasksOfService('s')].slice(0, 8) as Task[])
    cluster.end(task.id, 'failed');
  cluster.tasks(9, 's', { memory: 11 });
  const fresh = new Scheduler(cluster.store).pass(cluster.store, cluster);
  const pass = cluster.pass();
  expect(pass.changes).toHaveLength(fresh.changes.length);
});
