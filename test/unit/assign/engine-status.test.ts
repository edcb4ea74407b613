import { expect, test } from '@jest/globals';
import { engineHeard, isNews, nodeHello } from '../../../domain/assign/engine-status.ts';
import { nodeLeft, nodesSilent } from '../../../domain/assign/node-status.ts';
import { sessionFailed } from '../../../domain/assign/session-failure.ts';
import type { Node } from '../../../domain/model/objects.ts';
import { replicas, show, World } from '../orchestrate/world.ts';

const graceMs = 60_000;
const trouble = { error: 'the engine is away: connect ECONNREFUSED', graceMs };
const nobody = (): boolean => false;

/** A service with a task on each node. */
function build(nodes = 3, patch: Parameters<World['create']>[1] = {}) {
  const world = new World(nodes);
  world.create('web', { ...replicas(nodes), ...patch });
  world.settle();
  const node = (id = 'n1'): Node => world.store.node(id) as Node;
  /** What the node says of its engine, with a heartbeat. */
  const hear = (said: typeof trouble | undefined, id = 'n1'): void =>
    world.apply(engineHeard(world.store, id, said, world.now));
  const hello = (said?: typeof trouble, id = 'n1'): void => {
    const { description } = node(id);
    if (description !== undefined)
      world.apply(nodeHello(world.store, id, description, said, world.now));
  };
  const on = (id = 'n1') => world.tasks('web').filter(({ nodeId }) => nodeId === id);
  const elsewhere = () =>
    world.tasks('web').filter((t) => t.nodeId !== 'n1' && t.status.state === 'running');
  return { world, node, hear, hello, on, elsewhere };
}

test('a node whose engine is away is down with the error, keeps its tasks, and is ready when it is back', () => {
  const { world, node, hear, on } = build();
  const before = world.tasks('web');
  hear(trouble);
  expect(node().status).toMatchObject({ state: 'down', message: trouble.error });
  expect(node()).toMatchObject({ engineAwaySince: world.now, heldUntil: world.now + graceMs });
  expect(engineHeard(world.store, 'n1', { ...trouble, error: 'again' }, world.now)).toEqual([]);
  world.run(graceMs - 1);
  expect(world.tasks('web')).toEqual(before);
  hear(undefined);
  world.run(graceMs);
  expect(node()).toMatchObject({ status: { state: 'ready', message: '' } });
  expect(node().engineAwaySince ?? node().heldUntil).toBeUndefined();
  expect(on()).toEqual(before.filter(({ nodeId }) => nodeId === 'n1'));
  expect(world.tasks('web')).toHaveLength(3);
});

test('it gets no new tasks meanwhile', () => {
  const { world, hear, on } = build();
  hear(trouble);
  world.update('web', replicas(9));
  world.create('each', { Mode: { Global: {} } });
  world.run(30_000);
  expect(on()).toHaveLength(1);
  expect(
    world
      .tasks('each')
      .map(({ nodeId }) => nodeId)
      .toSorted(),
  ).toEqual(['n2', 'n3']);
  expect(world.tasks('web').filter((t) => t.status.state === 'running')).toHaveLength(9);
});

test.each([0, 5_000, 60_000])('its tasks are replaced after a grace of %i ms, once', (ms) => {
  const { world, node, hear, elsewhere } = build();
  hear({ ...trouble, graceMs: ms });
  world.run(Math.max(0, ms - 1));
  if (ms > 0) expect(elsewhere()).toHaveLength(2);
  world.run(1);
  world.settle();
  expect(elsewhere()).toHaveLength(3);
  expect(node().status).toMatchObject({ state: 'down', message: trouble.error });
  hear(undefined);
  world.run(60_000);
  expect(show(world.tasks('web')).filter((line) => line.includes('running'))).toHaveLength(3);
  expect(world.tasks('web')).toHaveLength(4);
});

test('a drain ends: the replacement waits for the container only as long as the grace', () => {
  const { world, node, hear, elsewhere } = build();
  hear({ ...trouble, graceMs: 20_000 });
  world.node('n1', { spec: { Availability: 'drain' } });
  world.run(19_999);
  expect(elsewhere()).toHaveLength(2);
  world.run(1);
  expect(elsewhere()).toHaveLength(3);
  expect(node().spec.Availability).toBe('drain');
});

test.each(['update', 'remove'] as const)('a service can be %sd meanwhile', (how) => {
  const { world, hear, on, elsewhere } = build();
  hear({ ...trouble, graceMs: 20_000 });
  if (how === 'update')
    world.update('web', { image: 'app:2', UpdateConfig: { Parallelism: 0, MaxFailureRatio: 0 } });
  else world.apply([{ op: 'delete', kind: 'service', id: 'web' }]);
  world.run(19_000);
  if (how === 'update') expect(elsewhere()).toHaveLength(2);
  expect(on()[0]?.desired).toBe(how === 'update' ? 'shutdown' : 'remove');
  world.run(61_000);
  if (how === 'update') expect(elsewhere()).toHaveLength(3);
  hear(undefined);
  world.run(10_000);
  expect(on().filter((t) => t.status.state === 'running')).toEqual([]);
});

test('a global service comes back to it', () => {
  const { world, hear } = build();
  world.create('each', { Mode: { Global: {} } });
  world.settle();
  const [before] = world.tasks('each').filter(({ nodeId }) => nodeId === 'n1');
  hear({ ...trouble, graceMs: 10_000 });
  world.run(20_000);
  hear(undefined);
  world.run(10_000);
  const here = world.tasks('each').filter(({ nodeId }) => nodeId === 'n1');
  expect(here.find(({ id }) => id === before?.id)?.desired).toBe('shutdown');
  expect(here.filter((t) => t.status.state === 'running')).toHaveLength(1);
});

test('a new leader takes the hold over, and a hello with the error changes nothing', () => {
  const { world, node, hear, hello } = build();
  hear(trouble);
  const before = node();
  world.now += 5_000;
  hello(trouble);
  expect(node()).toEqual(before);
  hello();
  expect(node()).toMatchObject({ status: { state: 'ready' } });
  expect(node().heldUntil).toBeUndefined();
});

test('a hello with the error holds the tasks of a node that was ready or without a session', () => {
  for (const makeUnknown of [false, true]) {
    const { world, node, hello } = build();
    if (makeUnknown) world.apply(sessionFailed(world.store, 'n1', 'why', world.now));
    hello(trouble);
    expect(node()).toMatchObject({ status: { state: 'down' }, heldUntil: world.now + graceMs });
  }
});

test('one that was given up before is down with the error, and nothing is held again', () => {
  const { world, node, hello } = build();
  world.lose('n1');
  expect(node().heldUntil).toBeUndefined();
  hello(trouble);
  expect(node()).toMatchObject({ status: { state: 'down', message: trouble.error } });
  expect(node().heldUntil).toBeUndefined();
  hello();
  expect(node().status.state).toBe('ready');
});

test('when it falls silent, too, its tasks are lost with it, and it is as any silent node', () => {
  const { world, node, hear, elsewhere } = build();
  hear(trouble);
  world.lose('n1');
  expect(node().status).toMatchObject({ state: 'down', message: 'heartbeat failure' });
  expect(node().engineAwaySince ?? node().heldUntil).toBeUndefined();
  world.settle();
  expect(elsewhere()).toHaveLength(3);
  expect(nodesSilent(world.store, ['n1'], world.now, nobody)).toEqual([]);
  expect(engineHeard(world.store, 'n1', trouble, world.now)).toEqual([]);
  expect(engineHeard(world.store, 'n1', undefined, world.now)).toEqual([]);
});

test('what was given up is not held when most nodes fall silent with it', () => {
  const { world, node, hear } = build();
  hear({ ...trouble, graceMs: 1_000 });
  world.run(1_000);
  world.lose('n1', 'n2');
  expect(node().heldUntil).toBeUndefined();
});

test('a node that leaves meanwhile is down as one that has left', () => {
  const { world, node, hear } = build();
  hear(trouble);
  world.apply(nodeLeft(world.store, 'n1'));
  expect(node().status.message).toBe('heartbeat failure');
  expect(node().engineAwaySince ?? node().heldUntil).toBeUndefined();
  expect(nodeLeft(world.store, 'n1')).toEqual([]);
});

test('an engine that goes away again and again: the node rests when it is back', () => {
  const { world, node, hear } = build();
  for (let i = 0; i < 3; i += 1) {
    hear(trouble);
    world.now += 10_000;
    hear(undefined);
  }
  expect(node().restUntil).toBe(world.now + 15_000);
});

test('a heartbeat has something to say only where the store says otherwise', () => {
  const { world, node, hear } = build();
  expect(isNews(node(), undefined)).toBe(false);
  expect(isNews(node(), trouble)).toBe(true);
  hear(trouble);
  expect(isNews(node(), trouble)).toBe(false);
  expect(isNews(node(), undefined)).toBe(true);
  expect(engineHeard(world.store, 'n9', trouble, world.now)).toEqual([]);
});
