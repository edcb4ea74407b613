import { describe, expect, test } from '@jest/globals';
import {
  lacksCopy,
  type LogServer,
  type LogSurvey,
  planMembers,
} from '../../../domain/members/plan.ts';
import {
  bestInformedFirst,
  enterGeneration,
  leavesLead,
  releaseOf,
} from '../../../domain/members/form.ts';
import type { Cluster, Node } from '../../../domain/model/objects.ts';
import { nodeDraft, World } from '../commands/helpers.ts';

interface Member {
  /** What it is to be; default: manager. */
  readonly to?: Node['spec']['Role'];
  readonly joining?: true;
  readonly leaving?: true;
}

/** A cluster whose managers are those named; `a` leads. */
function view(
  members: Readonly<Record<string, Member>>,
  log?: Partial<Cluster['log']>,
): World['store'] {
  const { store, ...world } = withMembers(members);
  const id = store.cluster()?.id ?? '';
  const form = { generation: 2, form: 'several', ...log } as Cluster['log'];
  world.apply([{ op: 'patch', kind: 'cluster', id, fields: { log: form } }]);
  return store;
}

function withMembers(members: Readonly<Record<string, Member>>): Pick<World, 'store' | 'apply'> {
  const nodes = Object.entries(members).map(
    ([id, { to = 'manager', joining, leaving }]): Partial<Node> & { id: string } => ({
      id,
      spec: { Labels: {}, Role: to, Availability: 'active' },
      role: 'manager',
      manager: {
        addr: `${id}:2377`,
        bus: `${id}:7946`,
        route: `${id}:7947`,
        reachability: 'reachable',
        ...(joining && { joining }),
        ...(leaving && { leaving }),
      },
    }),
  );
  const world = new World(
    { op: 'delete', kind: 'node', id: 'n1' },
    ...nodes.map(
      (node) => ({ op: 'put', kind: 'node', object: nodeDraft(node.id, node) }) as const,
    ),
  );
  return { store: world.store, apply: (changes) => world.apply(changes) };
}

const server = (
  nodeId: string,
  online = true,
  peer = `${nodeId}-1`,
  copy: LogServer['copy'] = online ? 'current' : 'behind',
): LogServer => ({
  peer,
  nodeId,
  online,
  copy,
});
const without = (nodeId: string, online = true): LogServer =>
  server(nodeId, online, undefined, 'none');
const survey = (change: Partial<LogSurvey> = {}): LogSurvey => ({
  replicas: 3,
  servers: [server('a'), server('b'), server('c')],
  leader: 'b',
  ...change,
});
const three = { a: {}, b: {}, c: {} };

test('three managers, three copies: nothing is to be done', () => {
  expect(planMembers(view(three), 'a', survey())).toEqual({ step: 'none' });
});

test('a manager that stands alone goes over to a log of several when another is to be one', () => {
  const alone = view({ a: {}, b: { joining: true } }, { form: 'alone' });
  expect(planMembers(alone, 'a', undefined)).toEqual({ step: 'close', form: 'several' });
  expect(planMembers(view({ a: {} }, { form: 'alone' }), 'a', undefined)).toEqual({ step: 'none' });
});

test('who joins a manager that stands alone, and is not to be one any more, is let go', () => {
  const alone = view({ a: {}, b: { to: 'worker', joining: true } }, { form: 'alone' });
  expect(planMembers(alone, 'a', undefined)).toEqual({ step: 'release', nodeId: 'b' });
});

test('a closed generation is left as it is', () => {
  const closed = view(three, { next: { generation: 3, form: 'alone', founder: 'a' } });
  expect(planMembers(closed, 'a', survey({ replicas: 2 }))).toEqual({ step: 'none' });
});

test('copies follow the servers, one at a time, when all is settled', () => {
  expect(planMembers(view(three), 'a', survey({ replicas: 1 }))).toEqual({
    step: 'replicas',
    count: 2,
  });
  expect(
    planMembers(view(three), 'a', survey({ replicas: 2, unsettledUp: 'b is behind' })),
  ).toEqual({
    step: 'wait',
    why: 'b is behind',
  });
  const two = survey({ servers: [server('a'), server('b')], replicas: 5 });
  expect(planMembers(view({ a: {}, b: {} }), 'a', two)).toEqual({ step: 'replicas', count: 2 });
});

test('for a server that is away the copies are not reduced, and others get theirs', () => {
  const away = [server('a'), server('b'), server('c', false)];
  expect(planMembers(view(three), 'a', survey({ servers: away }))).toEqual({ step: 'none' });
  const four = { ...three, d: { joining: true } } as const;
  expect(planMembers(view(four), 'a', survey({ servers: [...away, without('d')] }))).toEqual({
    step: 'replicas',
    count: 4,
  });
});

test('a joiner that is away before it has a copy counts for nothing', () => {
  const four = { ...three, d: { joining: true } } as const;
  const servers = [...survey().servers, without('d', false)];
  expect(planMembers(view(four), 'a', survey({ servers }))).toEqual({ step: 'none' });
});

test.each([
  [[server('a'), server('b')], "its server is not in the group of the log's servers yet"],
  [
    [server('a'), server('b'), server('c', false)],
    "its server is not in the group of the log's servers yet",
  ],
  [
    [server('a'), server('b'), without('c')],
    'it waits for its copy of the log: server c is behind',
  ],
  [[server('a'), server('b'), server('c', true, 'c-1', 'behind')], 'the log is being copied to it'],
  [[server('a'), server('b'), server('c')], ''],
  // there are as many copies as there can be
  [['a', 'b', 'd', 'e', 'f'].map((id) => server(id)).concat(without('c')), ''],
])('a joiner counts when the log has its copy: %#', (servers, why) => {
  expect(lacksCopy(survey({ servers, unsettledUp: 'server c is behind' }), 'c')).toBe(why);
});

test('a server that comes back under another name is forgotten under its old one', () => {
  const servers = [server('a'), server('b'), server('c', true, 'c-2'), server('c', false)];
  expect(planMembers(view(three), 'a', survey({ servers }))).toEqual({
    step: 'forget',
    server: 'c-1',
  });
});

test('the server of who is no manager is forgotten when it is away', () => {
  const left = view({ a: {}, b: {} });
  const away = survey({ servers: [server('a'), server('b'), server('c', false)] });
  expect(planMembers(left, 'a', away)).toEqual({ step: 'forget', server: 'c-1' });
  expect(planMembers(left, 'a', survey())).toEqual({
    step: 'wait',
    why: 'the server of node c has not stopped yet',
  });
});

test('one that is away and unknown is forgotten when it can be nobody’s', () => {
  const servers = [server('a'), server('b'), server('c'), server('', false, 'x')];
  expect(planMembers(view(three), 'a', survey({ servers }))).toEqual({
    step: 'forget',
    server: 'x',
  });
  const perhaps = [server('a'), server('b'), server('', false, 'x')];
  expect(planMembers(view(three), 'a', survey({ servers: perhaps }))).toEqual({ step: 'none' });
});

test('both leaders on one host: the log is to be led elsewhere', () => {
  expect(planMembers(view(three), 'a', survey({ leader: 'a' }))).toEqual({
    step: 'lead-elsewhere',
  });
  const unsettled = survey({ leader: 'a', unsettledUp: 'b is behind' });
  expect(planMembers(view(three), 'a', unsettled)).toEqual({ step: 'none' });
});

test('of two that are to go, one whose server has left already goes first: the group is never left with a single server', () => {
  const both = view({ a: {}, b: { to: 'worker' }, c: { to: 'worker' } });
  const servers = [server('a'), server('b')];
  const left = survey({ servers, replicas: 2, leader: 'a' });
  expect(planMembers(both, 'a', left)).toEqual({ step: 'release', nodeId: 'c' });
  const released = view({ a: {}, b: { to: 'worker' } });
  expect(planMembers(released, 'a', left)).toEqual({ step: 'close', form: 'alone' });
  // whose the third one is is not known: it may be one of theirs
  const unknown = survey({ servers: [...servers, server('', false, 'x')], leader: 'a' });
  expect(planMembers(both, 'a', unknown)).not.toMatchObject({ step: 'release' });
});

const going = { a: {}, b: {}, c: { to: 'worker' } } as const;
const leaving = { ...going, c: { to: 'worker', leaving: true } } as const;
const markC = { step: 'mark-leaving', nodeId: 'c' } as const;

test('a manager is let go while the others have all it has, and the group is without it', () => {
  expect(planMembers(view(going), 'a', survey())).toEqual(markC);
  expect(planMembers(view(leaving), 'a', survey())).toEqual({ step: 'forget', server: 'c-1' });
  const servers = [server('a'), server('b')];
  const after = survey({ servers, unsettledUp: 'the log has 2 of 3 replicas' });
  expect(planMembers(view(going), 'a', after)).toEqual({ step: 'release', nodeId: 'c' });
});

test('the log is led elsewhere before its leader is taken out', () => {
  expect(planMembers(view(going), 'a', survey({ leader: 'c' }))).toEqual({
    step: 'lead-elsewhere',
  });
});

test('a manager is let go while another is away, if the others go on without both', () => {
  const four = { ...going, d: {} } as const;
  const servers = [server('a'), server('b', false), server('c'), server('d')];
  expect(planMembers(view(four), 'a', survey({ servers, replicas: 4 }))).toEqual(markC);
  const both = [server('a'), server('b', false), server('c', false), server('d')];
  expect(planMembers(view(four), 'a', survey({ servers: both, replicas: 4 }))).toEqual({
    step: 'wait',
    why: '2 of 4 servers of the log would be left without c',
  });
});

test('a manager is not let go while another is behind', () => {
  expect(planMembers(view(going), 'a', survey({ unsettledUp: 'server b is behind' }))).toEqual({
    step: 'wait',
    why: 'server b is behind',
  });
});

test('who came back under another name is forgotten first: it counts twice', () => {
  const servers = [...survey().servers, server('b', false, 'b-2')];
  expect(planMembers(view(going), 'a', survey({ servers }))).toEqual({
    step: 'forget',
    server: 'b-2',
  });
});

test('a manager whose copy is one of two is let go when a third has it too', () => {
  const servers = [server('a'), without('b'), server('c')];
  expect(planMembers(view(going), 'a', survey({ servers, replicas: 2 }))).toEqual({
    step: 'replicas',
    count: 3,
  });
});

test('a manager that is away is let go if the others are a majority', () => {
  const away = { unsettled: 'server c is offline' };
  const servers = [server('a'), server('b'), server('c', false)];
  expect(planMembers(view(going), 'a', survey({ ...away, servers }))).toEqual(markC);
  expect(planMembers(view(leaving), 'a', survey({ ...away, servers }))).toEqual({
    step: 'forget',
    server: 'c-1',
  });
  const alone = [server('a'), server('b', false), server('c', false)];
  expect(planMembers(view(going), 'a', survey({ ...away, servers: alone }))).toEqual({
    step: 'wait',
    why: '1 of 3 servers of the log would be left without c',
  });
});

test('of two that are to go one is let go first', () => {
  const both = view({ a: {}, b: { to: 'worker' }, c: { to: 'worker' } });
  const led = survey({ leader: 'a' });
  expect(planMembers(both, 'a', led)).toEqual({ step: 'mark-leaving', nodeId: 'b' });
  const begun = view({ a: {}, b: { to: 'worker' }, c: { to: 'worker', leaving: true } });
  expect(planMembers(begun, 'a', led)).toEqual({ step: 'forget', server: 'c-1' });
});

test('one that is to go and cannot yet holds up no other one: it may wait for nothing else', () => {
  const both = view({ a: {}, b: { leaving: true }, c: { to: 'worker' } });
  const servers = [server('a'), server('b'), server('c', false)];
  expect(planMembers(both, 'a', survey({ servers, leader: 'a' }))).toEqual(markC);
});

describe('a manager whose place is given up, and that is wanted again', () => {
  const wanted = view({ ...three, c: { leaving: true } });

  test('is let go all the same: nobody can tell what was done already', () => {
    expect(planMembers(wanted, 'a', survey())).toEqual({ step: 'forget', server: 'c-1' });
    const without = survey({ servers: [server('a'), server('b')] });
    expect(planMembers(wanted, 'b', without)).toEqual({ step: 'release', nodeId: 'c' });
    expect(planMembers(wanted, 'c', survey())).toEqual({ step: 'yield' });
  });

  test('gives its place up, but not what it is to be', () => {
    const { store, apply } = withMembers({ ...three, c: { leaving: true } });
    const c = store.node('c');
    if (c === undefined) throw new Error('no node c');
    apply([releaseOf(c)]);
    expect(store.node('c')).toMatchObject({ role: 'manager', spec: { Role: 'manager' } });
    expect(store.node('c')?.manager).toBeUndefined();
  });

  test('gives its place up beside an update of its spec, which is not refused for that', () => {
    const { store, apply } = withMembers({ ...three, c: { leaving: true } });
    const c = store.node('c');
    if (c === undefined) throw new Error('no node c');
    apply([releaseOf(c)]);
    const after = store.node('c');
    expect(after?.meta.versionOfSpec).toBe(c.meta.versionOfSpec);
    expect(after?.meta.version).toBeGreaterThan(c.meta.version);
  });

  test('is to have another place in a generation that begins without it, where others become workers', () => {
    const closed = { next: { generation: 3, form: 'alone', founder: 'a' } } as const;
    const { store, apply } = withMembers({ a: {}, b: {}, c: { leaving: true } });
    const id = store.cluster()?.id ?? '';
    const log = { generation: 2, form: 'several', ...closed } as Cluster['log'];
    apply([{ op: 'patch', kind: 'cluster', id, fields: { log } }]);
    apply(enterGeneration(store, 'a', { generation: 3, form: 'alone' }));
    const now = ['b', 'c'].map((nodeId) => store.node(nodeId));
    expect(now.map((node) => [node?.role, node?.spec.Role, node?.manager])).toEqual([
      ['worker', 'worker', undefined],
      ['manager', 'manager', undefined],
    ]);
  });
});

test('the second last manager goes by a new generation of one', () => {
  const last = view({ a: {}, c: { to: 'worker' } });
  const servers = [server('a'), server('c')];
  expect(planMembers(last, 'a', survey({ servers, replicas: 2 }))).toEqual({
    step: 'close',
    form: 'alone',
  });
});

test('a leader that is to go lets another lead, if there is one', () => {
  const self = { a: { to: 'worker' }, b: {}, c: {} } as const;
  expect(planMembers(view(self), 'a', survey())).toEqual({ step: 'yield' });
  expect(planMembers(view({ a: { to: 'worker' } }), 'a', survey())).toEqual({ step: 'none' });
});

test('only a manager that counts and stays is left the lead to', () => {
  const leaves = (...args: Parameters<typeof view>): boolean => leavesLead(view(...args), 'a');
  expect(leaves({ a: { to: 'worker' }, b: {} })).toBe(true);
  expect(leaves({ a: { to: 'worker' }, b: { to: 'worker' }, c: { joining: true } })).toBe(false);
  expect(leaves({ a: {}, b: {} })).toBe(false);
});

test('one that is to go brings in who is to stay, while nobody who stays counts yet', () => {
  const several = view({ a: { to: 'worker' }, b: { to: 'worker' }, c: { joining: true } });
  const servers = [server('a'), server('b'), without('c')];
  expect(planMembers(several, 'a', survey({ replicas: 2, servers }))).toEqual({
    step: 'replicas',
    count: 3,
  });
  expect(planMembers(several, 'a', survey())).toEqual({ step: 'none' });
  const alone = view({ a: { to: 'worker' }, b: { joining: true } }, { form: 'alone' });
  expect(planMembers(alone, 'a', undefined)).toEqual({ step: 'close', form: 'several' });
});

test('without word of the servers nothing is changed', () => {
  expect(planMembers(view(three), 'a', undefined)).toEqual({
    step: 'wait',
    why: 'the servers of the log do not answer',
  });
});

test('of managers that tell where the log goes on, one that was left behind does not count, nor who knows less', () => {
  const offers = [
    { generation: 4, index: 88 },
    { generation: 6, index: 95 },
    { generation: 6, index: 107 },
    { generation: 4, index: 200 },
  ].map((offer) => ({ offer }));
  expect(bestInformedFirst(offers)[0]).toBe(offers[2]);
  expect(bestInformedFirst([])).toEqual([]);
});
