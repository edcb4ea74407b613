import { expect, test } from '@jest/globals';
import { nodeHello } from '../../../domain/assign/engine-status.ts';
import {
  nodeDescribed,
  nodeLeft,
  nodeReady,
  nodesSilent,
} from '../../../domain/assign/node-status.ts';
import type { NodeDescription } from '../../../domain/model/objects.ts';
import { planNode } from '../../../domain/orchestrate/plan-node.ts';
import { type Change, patchNode } from '../../../domain/store/changes.ts';
import { World } from '../orchestrate/world.ts';

const nobody = (): boolean => false;
const minute = 60_000;
const wholeMs = (ms: number | undefined) => ms && Math.round(ms);

/** @param services global ones, so that each node has a task */
function buildWorld(nodes: number, services = 1) {
  const world = new World(nodes);
  for (let i = 0; i < services; i++) world.create(`each${i}`, { Mode: { Global: {} } });
  world.settle();
  const node = (id: string) => world.store.node(id);
  const description = node('n1')?.description as NodeDescription;
  /** Until when each node is held, from now, ms; undefined: it is given up. */
  const held = (): (number | undefined)[] =>
    [...world.store.list('node')]
      .filter(({ status }) => status.state === 'down')
      .map(({ heldUntil }) => (heldUntil === undefined ? undefined : heldUntil - world.now));
  return { world, node, description, held };
}

test('a hello makes the node ready; the same hello again changes nothing', () => {
  const { world, node, description } = buildWorld(1);
  world.apply(nodesSilent(world.store, ['n1'], world.now, nobody));
  expect(node('n1')?.status).toMatchObject({ state: 'down', message: 'heartbeat failure' });
  expect(nodesSilent(world.store, ['n1'], world.now, nobody)).toEqual([]);
  world.apply(nodeReady(world.store, 'n1', description, world.now));
  expect(node('n1')?.status).toMatchObject({ state: 'ready', message: '' });
  expect(nodeReady(world.store, 'n1', { ...description }, world.now)).toEqual([]);
  const renamed = { ...description, hostname: 'other' };
  world.apply(nodeReady(world.store, 'n1', renamed, world.now));
  expect(node('n1')).toMatchObject({ description: renamed, status: { state: 'ready' } });
  expect(() => nodeReady(world.store, 'n9', description, 0)).toThrow(/node n9 not found/);
});

test('a node that goes and comes writes its description only where it is another', () => {
  const { world, node, description } = buildWorld(1);
  const trouble = { error: 'engine away', graceMs: 0 };
  const written = (changes: readonly Change[]): boolean => {
    world.apply(changes);
    return changes.some((change) => change.op === 'patch' && 'description' in change.fields);
  };
  const other = { ...description, hostname: 'other' };
  for (const [said, is] of [
    [{ ...description }, false],
    [other, true],
    [{ ...other }, false],
  ] as const) {
    world.apply(nodesSilent(world.store, ['n1'], world.now, nobody));
    expect(written(nodeReady(world.store, 'n1', said, world.now))).toBe(is);
    expect(node('n1')).toMatchObject({ description: said, status: { state: 'ready' } });
  }
  expect(written(nodeHello(world.store, 'n1', { ...other }, trouble, world.now))).toBe(false);
  expect(node('n1')?.status).toMatchObject({ state: 'down', message: 'engine away' });
  expect(written(nodeHello(world.store, 'n1', description, trouble, world.now))).toBe(true);
});

test('what is taken later than its hello keeps what the node said to a version of before, too', () => {
  const { world, node, description } = buildWorld(1);
  const tls = (publicKey: string) => ({
    trustRoot: '',
    issuerSubject: '',
    issuerPublicKey: '',
    publicKey,
  });
  world.apply([patchNode('n1', { description: { ...description, tls: tls('told') } })]);
  const planted = { ...description, tls: tls('planted') };
  world.apply(nodeDescribed(world.store, 'n1', planted));
  expect(node('n1')).toMatchObject({ description: planted, keys: [{ key: 'told' }] });
  expect(nodeDescribed(world.store, 'n1', { ...planted })).toEqual([]);
  expect(nodeDescribed(world.store, 'n9', planted)).toEqual([]);
});

test('a node that comes back elsewhere is found there, ready or not', () => {
  const { world, node, description } = buildWorld(1);
  const at = (addr: string) => ({ ...description, addr });
  for (const addr of ['192.0.2.7', '192.0.2.8', '2001:db8::1']) {
    world.apply(nodeReady(world.store, 'n1', at(addr), world.now));
    expect(node('n1')?.status).toMatchObject({ state: 'ready', addr });
    expect(nodeReady(world.store, 'n1', at(addr), world.now)).toEqual([]);
  }
  world.apply(nodesSilent(world.store, ['n1'], world.now, nobody));
  world.apply(nodeReady(world.store, 'n1', at('192.0.2.9'), world.now));
  expect(node('n1')?.status).toMatchObject({ state: 'ready', addr: '192.0.2.9' });
  // what is no address changes none
  for (const addr of ['', 'elsewhere', '10.0.0.0/8']) {
    world.apply(nodeReady(world.store, 'n1', at(addr), world.now));
    expect(node('n1')?.status.addr).toBe('192.0.2.9');
  }
});

test('tasks that a node may not run where it is now run elsewhere', () => {
  const { world, description } = buildWorld(2, 0);
  const move = (id: string, addr: string): void =>
    world.apply(nodeReady(world.store, id, { ...description, addr }, world.now));
  move('n1', '192.0.2.7');
  move('n2', '192.0.2.8');
  world.create('web', { task: { Placement: { Constraints: ['node.ip == 192.0.2.7'] } } });
  world.settle();
  const running = () =>
    world
      .tasks('web')
      .filter(({ desired, status }) => desired === 'running' && status.state === 'running');
  expect(running().map(({ nodeId }) => nodeId)).toEqual(['n1']);
  move('n1', '192.0.2.9');
  world.apply(planNode(world.store, 'n1', world.ctx()).changes);
  move('n2', '192.0.2.7');
  world.run(10_000);
  expect(running().map(({ nodeId }) => nodeId)).toEqual(['n2']);
});

test('a node that left is down, and that is no outage', () => {
  const { world, node } = buildWorld(2);
  world.apply(nodeLeft(world.store, 'n1'));
  expect(node('n1')?.status).toMatchObject({ state: 'down', message: 'heartbeat failure' });
  expect(node('n1')?.outages).toBeUndefined();
  expect(nodeLeft(world.store, 'n1')).toEqual([]);
  expect(nodeLeft(world.store, 'n9')).toEqual([]);
});

test('a node that goes down again and again rests before it is used, longer each time', () => {
  const { world, node } = buildWorld(4);
  const rests: (number | undefined)[] = [];
  for (let i = 0; i < 9; i++) {
    world.lose('n1');
    world.now += 1_000;
    world.back('n1');
    const until = node('n1')?.restUntil;
    rests.push(until === undefined ? undefined : (until - world.now) / 1_000);
  }
  expect(rests).toEqual([undefined, undefined, 15, 30, 60, 120, 240, 240, 240]);
  expect(node('n1')?.status.message).toBe('was down too often: no new tasks for 240 s');
  expect(node('n1')?.outages?.length).toBeLessThanOrEqual(10);
  world.run(4 * minute);
  expect(node('n1')?.restUntil).toBeUndefined();
  expect(node('n1')?.status).toMatchObject({ state: 'ready', message: '' });
  world.now += 10 * minute;
  world.lose('n1');
  world.back('n1');
  expect(node('n1')?.restUntil).toBeUndefined();
});

test.each([
  ['one of two', 2, ['n1'], [undefined]],
  ['one of three', 3, ['n1'], [undefined]],
  ['two of five', 5, ['n1', 'n2'], [undefined, undefined]],
  ['two of four', 4, ['n1', 'n2'], [undefined, 5_000]],
  ['two of three', 3, ['n1', 'n2'], [undefined, 10_000]],
  ['all but the leader’s', 4, ['n1', 'n2', 'n3'], [undefined, 10_000, 20_000]],
] as const)('%s lost together', (_, nodes, lost, expected) => {
  const { world, held } = buildWorld(nodes);
  world.lose(...lost);
  expect(held()).toEqual(expected);
});

test.each([4, 5, 9])('%i nodes: many declared at once are held as one after the other', (count) => {
  for (let lost = 1; lost <= count; lost++) {
    const [one, other] = [buildWorld(count), buildWorld(count)];
    const ids = Array.from({ length: lost }, (_, i) => `n${i + 1}`);
    for (const world of [one.world, other.world]) {
      world.lose('n1');
      world.now += 1_000;
    }
    one.world.lose(...ids);
    other.world.apply(nodesSilent(other.world.store, ids, other.world.now, nobody));
    expect(other.held().map(wholeMs)).toEqual(one.held().map(wholeMs));
  }
});

test('nodes without tasks are lost with the others, but none waits for them', () => {
  const { world, held } = buildWorld(4, 0);
  const Placement = { Constraints: ['node.id!=n1', 'node.id!=n2'] };
  world.create('web', { Mode: { Global: {} }, task: { Placement } });
  world.settle();
  world.lose('n1', 'n2', 'n3');
  expect(held()).toEqual([undefined, undefined, undefined]);
  world.now += 1_000;
  world.lose('n4');
  expect(held()).toEqual([undefined, undefined, undefined, 9_000]);
});

test('nodes that follow within a minute are part of the same loss', () => {
  const { world, held } = buildWorld(4);
  world.lose('n1');
  world.now += 2_000;
  world.lose('n2');
  expect(held()).toEqual([undefined, 3_000]);
  world.now += 2 * minute;
  world.lose('n3');
  expect(held()[2]).toBeUndefined();
});

test('a held node that is back has lost nothing; one that leaves is given up', () => {
  const { world, node } = buildWorld(4, 0);
  world.create('web', { Mode: { Replicated: { Replicas: 8 } } });
  world.create('all', { Mode: { Global: {} } });
  world.settle();
  const tasks = (id: string) =>
    [...world.store.tasksOfNode(id)].map((t) => `${t.id} ${t.status.state}/${t.desired}`);
  const before = tasks('n2');
  expect(before).toHaveLength(3);
  world.lose('n1', 'n2');
  world.run(4_000);
  expect(tasks('n2')).toEqual(before);
  world.back('n2');
  world.run(minute);
  expect(tasks('n2').slice(0, 3)).toEqual(before);
  expect(node('n2')?.heldUntil).toBeUndefined();

  world.lose('n3', 'n4');
  expect(node('n4')?.heldUntil).toBeDefined();
  world.apply(nodeLeft(world.store, 'n4'));
  expect(node('n4')).toMatchObject({ status: { state: 'down' } });
  expect(node('n4')?.heldUntil).toBeUndefined();
});

test('while a node rests it keeps what it has and gets nothing new', () => {
  const { world, node } = buildWorld(2, 0);
  world.create('all', { Mode: { Global: {} } });
  world.create('web', { Mode: { Replicated: { Replicas: 4 } } });
  world.settle();
  for (let i = 0; i < 3; i++) {
    world.run(20_000);
    world.lose('n1');
    world.settle();
    world.back('n1');
    world.settle();
  }
  const running = () =>
    [...world.store.tasksOfNode('n1')].filter((t) => t.status.state === 'running').length;
  expect(node('n1')?.restUntil).toBeDefined();
  expect(running()).toBe(0);
  world.create('more', { Mode: { Replicated: { Replicas: 2 } } });
  world.run(14_000);
  expect(running()).toBe(0);
  world.run(1_000);
  expect(running()).toBe(1);
  world.create('later', { Mode: { Replicated: { Replicas: 2 } } });
  world.settle();
  expect(running()).toBe(2);
});

test('half of twenty nodes lost at once: no survivor takes over more than a node’s tasks in 10 s', () => {
  const { world } = buildWorld(20, 0);
  for (let i = 0; i < 10; i++) world.create(`web${i}`, { Mode: { Replicated: { Replicas: 100 } } });
  world.settle();
  const ids = [...world.store.list('node')].map(({ id }) => id);
  const [lost, well] = [ids.slice(0, 10), ids.slice(10)];
  const wanted = (id: string) =>
    [...world.store.tasksOfNode(id)].filter((t) => t.desired === 'running').length;
  expect(ids.map(wanted)).toEqual(ids.map(() => 50));
  world.lose(...lost);
  const counts = [well.map(wanted)];
  for (let second = 0; second <= 12; second++) {
    world.run(1_000);
    counts.push(well.map(wanted));
  }
  for (const [second, now] of counts.entries())
    for (const [i, count] of now.entries())
      expect(count - (counts[Math.max(0, second - 10)]?.[i] ?? 0)).toBeLessThanOrEqual(55);
  // five nodes' worth after half of the time, everything at its end
  const total = (at: number) => counts[at]?.reduce((sum, count) => sum + count, 0);
  expect(total(1)).toBeLessThanOrEqual(650);
  expect(total(5)).toBeLessThanOrEqual(800);
  expect(total(13)).toBe(1_000);
});
