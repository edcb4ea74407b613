import { describe, expect, test } from '@jest/globals';
import { isSettled } from '../../../api/promotion.ts';
import type { LogGroup } from '../../../bus/ports.ts';
import type { Decision } from '../../../actors/manager/committer.ts';
import { LogServersReconciler } from '../../../actors/manager/reconcile/log-servers.ts';
import type { Draft } from '../../../domain/store/changes.ts';
import type { Context, View } from '../../../domain/store/view.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { runUntil } from '../../sim/world/drive.ts';
import { settle } from '../../support/settle.ts';
import { nodeDraft, World } from '../commands/helpers.ts';

const manager = (id: string): Draft<'node'> =>
  nodeDraft(id, {
    spec: { Labels: {}, Role: 'manager', Availability: 'active' },
    role: 'manager',
    manager: { addr: `${id}:1`, bus: `${id}:2`, route: `${id}:3`, reachability: 'reachable' },
  });

function build(group?: Partial<LogGroup>) {
  const clock = new VirtualClock();
  const world = new World(
    { op: 'delete', kind: 'node', id: 'n1' },
    { op: 'put', kind: 'node', object: manager('a') },
  );
  const heard = new Map<string, number>();
  const absent = new Set<string>();
  const retreats: number[] = [];
  const duty = new LogServersReconciler({
    nodeId: 'a',
    view: world.store,
    group: group as LogGroup | undefined,
    propose: <T>(decide: (view: View, ctx: Context) => Decision<T>) => {
      const { changes, result } = decide(world.store, { now: 0, newId: () => '' });
      if (changes.length > 0) world.apply(changes);
      return Promise.resolve({ result, index: world.store.index });
    },
    clock,
    now: () => 0,
    heardAt: (id) => heard.get(id),
    isAbsent: (id) => absent.has(id),
    retreat: () => retreats.push(clock.now()),
    abdicate: () => undefined,
    log: () => undefined,
  });
  const reachability = (id: string) => world.store.node(id)?.manager?.reachability;
  return { world, clock, heard, absent, retreats, duty, reachability };
}

test('a manager that has just come is not unreachable before it was asked', async () => {
  const { world, clock, duty, reachability } = build();
  await duty.plan();
  await runUntil(clock, 60_000);
  world.apply([{ op: 'put', kind: 'node', object: manager('b') }]);
  await duty.plan();
  expect(reachability('b')).toBe('reachable');
  await runUntil(clock, 70_000);
  await duty.plan();
  expect(reachability('b')).toBe('unreachable');
});

test('one that comes back as a manager is not judged by what was heard of it before', async () => {
  const { world, clock, heard, duty, reachability } = build();
  heard.set('b', 1_000);
  await runUntil(clock, 60_000);
  world.apply([{ op: 'put', kind: 'node', object: manager('b') }]);
  await duty.plan();
  expect(reachability('b')).toBe('reachable');
});

test('a manager that is not heard is shown as unreachable within two seconds, one that is not there at once', async () => {
  const { world, clock, heard, absent, duty, reachability } = build();
  world.apply(['b', 'c'].map((id) => ({ op: 'put', kind: 'node', object: manager(id) })));
  await duty.plan();
  await runUntil(clock, 10_000);
  for (const id of ['b', 'c']) heard.set(id, 10_000);
  expect(duty.isPlanDue()).toBe(false);
  absent.add('c');
  expect(duty.isPlanDue()).toBe(true);
  await duty.plan();
  expect([reachability('b'), reachability('c')]).toEqual(['reachable', 'unreachable']);
  await runUntil(clock, 11_999);
  expect(duty.isPlanDue()).toBe(false);
  await runUntil(clock, 12_000);
  expect(duty.isPlanDue()).toBe(true);
  await duty.plan();
  expect(reachability('b')).toBe('unreachable');
  absent.clear();
  for (const id of ['b', 'c']) heard.set(id, 12_000);
  expect(duty.isPlanDue()).toBe(true);
  await duty.plan();
  expect([reachability('b'), reachability('c')]).toEqual(['reachable', 'reachable']);
});

describe('a manager is demoted, and promoted again', () => {
  const server = (nodeId: string) =>
    ({ peer: nodeId, nodeId, online: true, copy: 'current' }) as const;
  const wish = (world: World, Role: 'manager' | 'worker') => {
    const spec = { Labels: {}, Role, Availability: 'active' } as const;
    world.apply([{ op: 'patch', kind: 'node', id: 'c', fields: { spec } }]);
  };
  /** Three managers; `forget` ends when it is told to. */
  const several = () => {
    let servers = ['a', 'b', 'c'].map(server);
    const forgotten: string[] = [];
    const end = new AbortController();
    const ended = new Promise((resolve) => end.signal.addEventListener('abort', resolve));
    const group = {
      survey: () => Promise.resolve({ replicas: servers.length, servers, leader: 'b' }),
      forget: async (peer: string) => {
        forgotten.push(peer);
        await ended;
        servers = servers.filter((each) => each.peer !== peer);
      },
    };
    const built = build(group);
    const { world } = built;
    const id = world.store.cluster()?.id ?? '';
    const log = { generation: 2, form: 'several' } as const;
    world.apply([
      { op: 'patch', kind: 'cluster', id, fields: { log } },
      ...['b', 'c'].map((each) => ({ op: 'put', kind: 'node', object: manager(each) }) as const),
    ]);
    const isAnswered = (): boolean => isSettled(world.store, 'c');
    return { ...built, forgotten, end, isAnswered };
  };

  test('before anything was taken from it: it goes on as it is', async () => {
    const { world, duty, forgotten, isAnswered } = several();
    wish(world, 'worker');
    wish(world, 'manager');
    expect(isAnswered()).toBe(true);
    await duty.plan();
    await duty.plan();
    expect(forgotten).toEqual([]);
    expect(isAnswered()).toBe(true);
  });

  test('while its server is being taken out: it is not answered for until it has a new place', async () => {
    const { world, duty, forgotten, end, isAnswered } = several();
    wish(world, 'worker');
    await duty.plan();
    expect(forgotten).toEqual([]);
    const taking = duty.plan();
    await settle();
    expect(forgotten).toEqual(['c']);
    wish(world, 'manager');
    expect(isAnswered()).toBe(false);
    end.abort();
    await taking;
    expect(isAnswered()).toBe(false);
    await duty.plan();
    expect(world.store.node('c')).toMatchObject({ role: 'manager', spec: { Role: 'manager' } });
    expect(world.store.node('c')?.manager).toBeUndefined();
    expect(isAnswered()).toBe(false);
  });
});

describe('a joiner that is lost after the log went over to it', () => {
  const several = (...nodes: readonly Draft<'node'>[]) => {
    let isThere = false;
    const built = build({
      survey: () => (isThere ? Promise.resolve({} as never) : Promise.reject(new Error('away'))),
    });
    const { world, clock, duty } = built;
    const id = world.store.cluster()?.id ?? '';
    const log = { generation: 2, form: 'several' } as const;
    world.apply([
      { op: 'patch', kind: 'cluster', id, fields: { log } },
      ...nodes.map((object) => ({ op: 'put', kind: 'node', object }) as const),
    ]);
    const heartbeat = async (untilMs: number): Promise<void> => {
      while (clock.now() < untilMs) {
        await runUntil(clock, clock.now() + 250);
        duty.isPlanDue();
        await settle();
      }
    };
    return { ...built, heartbeat, answer: (now: boolean) => (isThere = now) };
  };
  const joiner: Draft<'node'> = {
    ...manager('b'),
    manager: { ...manager('b').manager, joining: true } as never,
  };

  test('is given up after a while', async () => {
    const { heartbeat, retreats } = several(joiner);
    await heartbeat(7_000);
    expect(retreats).toEqual([]);
    await heartbeat(20_000);
    expect(retreats.length).toBeGreaterThan(0);
  });

  test('is waited for while it comes back now and then', async () => {
    const { heartbeat, retreats, answer } = several(joiner);
    await heartbeat(6_000);
    answer(true);
    await heartbeat(8_000);
    answer(false);
    await heartbeat(14_000);
    expect(retreats).toEqual([]);
  });

  test('is not given up while the log takes records, whoever does not answer: it is there', async () => {
    const { world, heartbeat, retreats } = several(joiner);
    const now = { Labels: {}, Role: 'manager', Availability: 'active' } as const;
    for (let second = 1; second <= 40; second++) {
      await heartbeat(second * 1_000);
      if (second % 5 === 0)
        world.apply([{ op: 'patch', kind: 'node', id: 'a', fields: { spec: now } }]);
    }
    expect(retreats).toEqual([]);
    await heartbeat(60_000);
    expect(retreats.length).toBeGreaterThan(0);
  });

  test('is not given up where another manager counts: it may have written', async () => {
    const { heartbeat, retreats } = several(joiner, manager('c'));
    await heartbeat(60_000);
    expect(retreats).toEqual([]);
  });
});
