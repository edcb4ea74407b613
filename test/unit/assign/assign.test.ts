import { expect, test } from '@jest/globals';
import { heartbeatFrom, helloFrom, statusUpdatesFrom } from '../../../bus/agent-bodies.ts';
import {
  assignmentChanges,
  assignmentOf,
  assignmentsOf,
} from '../../../domain/assign/assignments.ts';
import { taskReports } from '../../../domain/assign/reports.ts';
import { limits } from '../../../domain/limits.ts';
import type { NodeDescription, TaskStatus } from '../../../domain/model/objects.ts';
import type { Applied, Change } from '../../../domain/store/changes.ts';
import { Store } from '../../../domain/store/store.ts';
import type { TaskState } from '../../../domain/task-state.ts';

const status = (state: TaskState): TaskStatus => ({ state, at: 5, message: state });
const task = (id: string, nodeId: string, state: TaskState): Change => ({
  op: 'put',
  kind: 'task',
  object: {
    id,
    serviceId: 's',
    slot: 1,
    nodeId,
    spec: { ContainerSpec: { Image: 'a' }, ForceUpdate: 0 },
    specVersion: 1,
    serviceName: 's',
    serviceLabels: {},
    status: status(state),
    desired: 'running',
  },
});
const description: NodeDescription = {
  hostname: 'h',
  platform: { architecture: 'x86_64', os: 'linux' },
  resources: { nanoCpus: 1, memoryBytes: 1 },
  engine: { version: '28', labels: {}, plugins: [] },
};
const ctx = { now: 77, newId: () => 'x' };

function store(...changes: Change[]): { store: Store; apply: (...more: Change[]) => Applied[] } {
  const made = new Store();
  let index = 0;
  const apply = (...more: Change[]): Applied[] =>
    made.apply({ index: ++index, at: index, changes: more });
  apply(...changes);
  return { store: made, apply };
}

test('a node gets the tasks that were confirmed for it, and nobody else’s', () => {
  const { store: view } = store(
    task('a', 'n1', 'assigned'),
    task('b', 'n1', 'pending'),
    task('c', 'n2', 'running'),
    task('d', '', 'pending'),
  );
  expect(assignmentsOf(view, 'n1')).toEqual(['a']);
  expect(['a', 'b', 'c', 'x'].map((id) => assignmentOf(view, 'n1', id)?.id)).toEqual([
    'a',
    undefined,
    undefined,
    undefined,
  ]);
});

test('changes are told by what they mean for the node; its own statuses are not told back', () => {
  const { apply } = store(task('a', 'n1', 'assigned'), task('b', 'n1', 'pending'));
  const told = (...changes: Change[]) => [...assignmentChanges(apply(...changes))];
  const patch = (id: string, fields: object): Change => ({ op: 'patch', kind: 'task', id, fields });
  expect(told(patch('b', { status: status('assigned') }))).toEqual([['n1', ['b']]]);
  expect(told(patch('a', { status: status('running') }))).toEqual([]);
  expect(told(patch('a', { desired: 'shutdown' }))).toEqual([['n1', ['a']]]);
  expect(
    told(patch('b', { status: status('failed') }), patch('b', { desired: 'shutdown' })),
  ).toEqual([]);
  expect(told({ op: 'delete', kind: 'task', id: 'a' })).toEqual([['n1', ['a']]]);
});

test('reports advance a task, never turn it back, and never speak for another node', () => {
  const { store: view } = store(task('a', 'n1', 'starting'), task('b', 'n1', 'failed'));
  const report = (taskId: string, state: TaskState, from = 'n1') =>
    taskReports(view, ctx, from, [{ taskId, status: status(state) }]).changes;
  expect(report('a', 'running')).toEqual([
    { op: 'patch', kind: 'task', id: 'a', fields: { status: status('running'), runningAt: 77 } },
  ]);
  expect(report('a', 'preparing')).toEqual([]);
  expect(report('a', 'starting')).toEqual([]);
  expect(report('b', 'rejected')).toEqual([]);
  expect(report('unknown', 'running')).toEqual([]);
  expect(report('a', 'running', 'n2')).toEqual([]);
});

test('of a report on tasks of other nodes, too, the node’s own are taken', () => {
  const { store: view } = store(task('a', 'n1', 'starting'), task('b', 'n2', 'starting'));
  const updates = ['b', 'a', 'gone'].map((taskId) => ({ taskId, status: status('running') }));
  const { changes, foreign } = taskReports(view, ctx, 'n1', updates);
  expect(changes.map((change) => 'id' in change && change.id)).toEqual(['a']);
  expect(foreign).toEqual(['b']);
});

test('a report’s time is near the manager’s', () => {
  const { store: view } = store(task('a', 'n1', 'starting'));
  const atOf = (at: number) => {
    const { changes } = taskReports(view, ctx, 'n1', [
      { taskId: 'a', status: { ...status('failed'), at } },
    ]);
    return (changes[0] as { fields: { status: TaskStatus } }).fields.status.at;
  };
  const ahead = ctx.now + limits.reportAheadMsMax;
  expect([0, ctx.now, ahead].map(atOf)).toEqual([0, ctx.now, ahead]);
  expect([-1, ahead + 1, 1e300].map(atOf)).toEqual([0, ctx.now, ctx.now]);
});

test.each([
  [undefined],
  [null],
  ['text'],
  [[]],
  [{ session: 7 }],
  [{ session: 's', description: { hostname: 'h' } }],
  [{ session: 's', updates: 'many' }],
  [{ session: 's', updates: [{ taskId: 't', status: { state: 'flying', at: 1, message: '' } }] }],
  [{ session: 's', updates: [{ taskId: 't', status: { state: 'toString', at: 1, message: '' } }] }],
  [{ session: 's', updates: Array.from({ length: limits.statusReportTasksMax + 1 }, () => ({})) }],
])('a body that is none is not taken: %j', (body) => {
  expect(helloFrom(body)).toBeUndefined();
  expect(statusUpdatesFrom(body)).toBeUndefined();
});

test('bodies of agents are taken', () => {
  expect(heartbeatFrom({ session: 's', seq: 3 })).toEqual({ session: 's', seq: 3 });
  const engine = { error: 'away', graceMs: 1_000 };
  expect(heartbeatFrom({ session: 's', engine })).toEqual({ session: 's', engine });
  expect(helloFrom({ session: 's', description, engine })).toMatchObject({ engine });
  for (const graceMs of [-1, 1.5, limits.engineGraceMsMax + 1, 'long', undefined])
    expect(heartbeatFrom({ session: 's', engine: { error: 'away', graceMs } })?.engine).toEqual({
      error: 'away',
      graceMs: 0,
    });
  for (const nonsense of [null, 'away', {}, { error: 7 }])
    expect(heartbeatFrom({ session: 's', engine: nonsense })).toEqual({ session: 's' });
  const error = 'x'.repeat(1e6);
  expect(heartbeatFrom({ session: 's', engine: { error } })?.engine?.error).toHaveLength(
    limits.statusTextLengthMax,
  );
  expect(helloFrom({ session: 's', description })).toEqual({ session: 's', description });
  const has = (templates: unknown) =>
    helloFrom({ session: 's', description, has: { generation: 1, templates } })?.has;
  const keys = (count: number) => Array.from({ length: count }, (_, i) => `s.${i}`);
  expect(has(keys(limits.helloTemplatesMax))?.templates).toHaveLength(limits.helloTemplatesMax);
  expect([has(keys(limits.helloTemplatesMax + 1)), has([7]), has('s.1')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const updates = [{ taskId: 't', status: status('running') }];
  expect(statusUpdatesFrom({ session: 's', updates })).toEqual(updates);
});
