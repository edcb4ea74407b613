import { expect, test } from '@jest/globals';
import type { Node, NodeDescription, Task } from '../../../domain/model/objects.ts';
import { planNode } from '../../../domain/orchestrate/plan-node.ts';
import { planService } from '../../../domain/orchestrate/plan-service.ts';
import { Scheduler } from '../../../domain/schedule/schedule.ts';
import { randomOf, replicas, World } from '../orchestrate/world.ts';
import { Cluster } from './cluster.ts';

const engine = (fields: object) => ({
  engine: { version: '28', labels: {}, plugins: [], ...fields } as never,
});
const log = { LogDriver: { Name: 'gelf' } };
const onLabel = { Placement: { Constraints: ['engine.labels.a != b'] } };
const gpu = {
  Resources: {
    Reservations: { GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } }] },
  },
};

/** What a node's hello once could write into the state, with a task that makes the scheduler look at it. */
const badNodes: readonly [string, Partial<NodeDescription>, object, string][] = [
  ['labels', engine({ labels: { a: { b: 1 } } }), onLabel, 'engine.labels.a is no text'],
  ['plugins', engine({ plugins: [null] }), log, 'engine.plugins[0] is no object'],
  ['no plugins', engine({ plugins: 7 }), log, 'engine.plugins is no list'],
  [
    'generic resources',
    { resources: { nanoCpus: 1e9, memoryBytes: 1e9, generic: { a: 1 } as never } },
    gpu,
    'resources.generic is no list',
  ],
  [
    'a generic resource',
    { resources: { nanoCpus: 1e9, memoryBytes: 1e9, generic: [null] as never } },
    {},
    'resources.generic[0] is no object',
  ],
  ['hostname', { hostname: 5 as never }, {}, 'hostname is no text'],
  ['platform', { platform: null as never }, {}, 'platform is no object'],
  [
    'a label that terminals should not print',
    engine({ labels: { '\u001b[2J': null } }),
    {},
    'engine.labels.(a label) is no text',
  ],
];

test.each(badNodes)(
  'a node whose record cannot be read gets no tasks, and others do: %s',
  (_, description, spec, flaw) => {
    const cluster = new Cluster();
    cluster.node('bad', { description });
    cluster.node('good', {
      description: {
        ...engine({ labels: { a: 'c' }, plugins: [{ type: 'Log', name: 'gelf' }] }),
        resources: {
          nanoCpus: 1e9,
          memoryBytes: 1e9,
          generic: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 9 } }],
        },
      },
    });
    const ids = cluster.tasks(4, 's', { spec });
    cluster.pass();
    expect(ids.map((id) => cluster.nodeOf(id))).toEqual(['good', 'good', 'good', 'good']);
    const reason = `unreadable record: description.${flaw}`;
    expect(cluster.scheduler.takeFailures()).toEqual([{ kind: 'node', id: 'bad', reason }]);
    // told once, however many passes there are
    cluster.tasks(2, 's', { spec });
    cluster.pass();
    expect(cluster.scheduler.takeFailures()).toEqual([]);
  },
);

test.each(badNodes)(
  'a task says which node cannot be read, and why: %s',
  (_, description, spec, flaw) => {
    const cluster = new Cluster();
    cluster.node('bad', { description });
    const id = cluster.task('s', { spec });
    const ofGlobal = cluster.task('all', { spec, nodeId: 'bad', slot: 0 });
    cluster.pass();
    const reason = `unreadable record of 1 node (bad: description.${flaw})`;
    expect(cluster.err(id)).toBe(`no suitable node (${reason})`);
    expect(cluster.err(ofGlobal)).toBe(reason);
    // nothing new: nothing more to write
    expect(cluster.pass().changes).toEqual([]);
    cluster.node('bad', {
      description: engine({ labels: { a: 'c' }, plugins: [{ type: 'Log', name: 'gelf' }] }),
    });
    cluster.pass();
    if (spec !== gpu) expect([cluster.nodeOf(id), cluster.err(id)]).toEqual(['bad', undefined]);
  },
);

test.each([
  ['a constraint', { Placement: { Constraints: ['rubbish'] } }, 'constraint expected one operator'],
  ['constraints', { Placement: { Constraints: 7 } }, 'expressions.map is not a function'],
  ['reservations', { Resources: { Reservations: { GenericResources: [null] } } }, 'Cannot'],
])('a task that cannot be read says so, and others are scheduled: %s', (_, spec, reason) => {
  const cluster = new Cluster();
  cluster.node('n1');
  const before = cluster.tasks(2, 'a');
  const bad = cluster.tasks(2, 'bad', { spec: spec as never });
  const after = cluster.tasks(2, 'z');
  cluster.pass();
  expect(cluster.waiting()).toEqual(bad);
  expect([...before, ...after].map((id) => cluster.nodeOf(id))).toEqual(['n1', 'n1', 'n1', 'n1']);
  for (const id of bad)
    expect(cluster.err(id)).toContain(`the scheduler cannot read this task: ${reason}`);
  const failures = cluster.scheduler.takeFailures();
  expect(failures).toEqual([
    { kind: 'service', id: 'bad', reason: expect.stringContaining(reason) },
  ]);
  expect(cluster.pass().changes).toEqual([]);
  expect(cluster.scheduler.takeFailures()).toEqual([]);
});

test('a new scheduler begins with a state that has bad records', () => {
  const cluster = new Cluster();
  cluster.node('good');
  for (const [name, description] of badNodes) cluster.node(`bad ${name}`, { description });
  const spec = { Resources: { Reservations: { GenericResources: [null] } } } as never;
  cluster.running('s', 'good', { spec });
  const id = cluster.task('t');
  const scheduler = new Scheduler(cluster.store);
  const { changes } = scheduler.pass(cluster.store, { now: 1 });
  expect(changes).toMatchObject([{ id, fields: { nodeId: 'good' } }]);
  expect(scheduler.takeFailures()).toHaveLength(badNodes.length);
});

const spoil = (world: World, id: string, description: Partial<NodeDescription>): void => {
  const node = world.store.node(id) as Node;
  const fields = { description: { ...(node.description as NodeDescription), ...description } };
  world.apply([{ op: 'patch', kind: 'node', id, fields }]);
};

test.each(badNodes)(
  'plans of services go on where the record of one node cannot be read: %s',
  (_, description, spec) => {
    const world = new World(3);
    world.create('web', { ...replicas(3), task: { ...spec, ...onLabel } });
    world.create('all', { Mode: { Global: {} }, task: onLabel });
    world.run(1_000);
    const kept = world.tasks('all').find(({ nodeId }) => nodeId === 'n1') as Task;
    spoil(world, 'n1', description);
    world.addNode('n4');
    world.update('web', { ...replicas(4), task: { Placement: { Constraints: ['node.id != x'] } } });
    world.run(60_000);
    // what runs on the node runs on, and the others get what they are to have
    expect(world.store.task(kept.id)?.status.state).toBe('running');
    const nodes = world.tasks('all').map(({ nodeId }) => nodeId);
    expect(nodes.sort()).toEqual(['n1', 'n2', 'n3', 'n4']);
    if (spec !== gpu)
      expect(world.tasks('web').filter((t) => t.status.state === 'running')).toHaveLength(4);
    expect(planNode(world.store, 'n1', world.ctx()).reasons?.join()).toContain('cannot be read');
    expect(planService(world.store, 'all', world.ctx()).reasons).toEqual([
      'the record of node n1 cannot be read (1)',
    ]);
    // a drained node is emptied, whatever its record is
    world.node('n1', { spec: { Availability: 'drain' } });
    world.run(60_000);
    expect(world.store.task(kept.id)?.desired).not.toBe('running');
  },
);

test('a task that cannot be read is left as it is, and others of its node are looked at', () => {
  const world = new World(1);
  world.create('web', { task: { Placement: { Constraints: ['node.labels.a != 1'] } } });
  world.run(1_000);
  const [task] = world.tasks('web');
  const bad = {
    ...(task as Task),
    id: 'bad',
    serviceId: 'gone',
    spec: { Placement: { Constraints: [7] } },
  };
  world.apply([{ op: 'put', kind: 'task', object: bad as never }]);
  const node = world.store.node('n1') as Node;
  const fields = { spec: { ...node.spec, Labels: { a: '1' } } };
  world.apply([{ op: 'patch', kind: 'node', id: 'n1', fields }]);
  expect(planNode(world.store, 'n1', world.ctx())).toMatchObject({
    changes: [{ id: task?.id, fields: { status: { state: 'rejected' } } }],
    reasons: ['task bad cannot be read'],
  });
});

/** Anything that a message could have brought, in the place of a part of a description. */
const junk = [null, 5, -1, 1e300, 'x', true, [], [null], {}, { a: 1 }, [[]], { length: 9 }];

function spoiled(value: unknown, random: () => number): unknown {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (entries.length === 0 || random() < 0.2) return junk[Math.floor(random() * junk.length)];
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<
    string,
    unknown
  >;
  const [key = '', part] = entries[Math.floor(random() * entries.length)] ?? [];
  copy[key] = spoiled(part, random);
  return copy;
}

test.each(Array.from({ length: 200 }, (_, i) => i + 1))(
  'whatever one node is said to be, the others get their tasks (seed %d)',
  (seed) => {
    const random = randomOf(seed);
    const world = new World(3);
    world.create('web', { ...replicas(3), task: onLabel });
    world.create('logged', { ...replicas(3), task: log });
    world.create('all', { Mode: { Global: {} } });
    const description = {
      ...(world.store.node('n1')?.description as NodeDescription),
      resources: {
        nanoCpus: 1e9,
        memoryBytes: 1e9,
        generic: [{ NamedResourceSpec: { Kind: 'g', Value: '1' } }],
      },
      ...engine({ labels: { a: 'x' }, plugins: [{ type: 'Log', name: 'gelf' }] }),
    };
    spoil(world, 'n1', spoiled(description, random) as object);
    world.update('web', {
      ...replicas(5),
      task: { Placement: { Constraints: ['engine.labels.a != x'] } },
    });
    world.run(30_000);
    world.addNode('n4');
    world.run(30_000);
    for (const [service, count] of [
      ['web', 5],
      ['logged', 3],
    ] as const)
      expect(world.tasks(service).filter((t) => t.status.state === 'running')).toHaveLength(count);
    const nodes = new Set(world.tasks('all').map(({ nodeId }) => nodeId));
    for (const id of ['n2', 'n3', 'n4']) expect(nodes).toContain(id);
  },
);
