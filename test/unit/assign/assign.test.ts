import { expect, test } from '@jest/globals';
import { beatFrom, helloFrom, statusUpdatesFrom } from '../../../bus/bodies.ts';
import { assignmentChanges, assignmentsOf } from '../../../domain/assign/assignments.ts';
import { taskReports } from '../../../domain/assign/reports.ts';
import { limits } from '../../../domain/limits.ts';
import type { NodeDescription, Task, TaskStatus } from '../../../domain/model/objects.ts';
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
  expect(assignmentsOf(view, 'n1').map((t: Task) => t.id)).toEqual(['a']);
});

test('changes are told by what they mean for the node; its own statuses are not told back', () => {
  const { apply } = store(task('a', 'n1', 'assigned'), task('b', 'n1', 'pending'));
  const told = (applied: Applied[]) =>
    [...assignmentChanges(applied)].map(([id, c]) => [id, c.put.map((t) => t.id), c.remove]);
  expect(
    told(apply({ op: 'patch', kind: 'task', id: 'b', fields: { status: status('assigned') } })),
  ).toEqual([['n1', ['b'], []]]);
  expect(
    told(apply({ op: 'patch', kind: 'task', id: 'a', fields: { status: status('running') } })),
  ).toEqual([]);
  expect(
    told(apply({ op: 'patch', kind: 'task', id: 'a', fields: { desired: 'shutdown' } })),
  ).toEqual([['n1', ['a'], []]]);
  expect(told(apply({ op: 'delete', kind: 'task', id: 'a' }))).toEqual([['n1', [], ['a']]]);
});

test('reports advance a task, never turn it back, and never speak for another node', () => {
  const { store: view } = store(task('a', 'n1', 'starting'), task('b', 'n1', 'failed'));
  const report = (taskId: string, state: TaskState, from = 'n1') =>
    taskReports(view, ctx, from, [{ taskId, status: status(state) }]);
  expect(report('a', 'running')).toEqual([
    { op: 'patch', kind: 'task', id: 'a', fields: { status: status('running'), runningAt: 77 } },
  ]);
  expect(report('a', 'preparing')).toEqual([]);
  expect(report('a', 'starting')).toEqual([]);
  expect(report('b', 'rejected')).toEqual([]);
  expect(report('unknown', 'running')).toEqual([]);
  expect(() => report('a', 'running', 'n2')).toThrow(/not assigned to node n2/);
});

test('a report’s texts are cut, not refused', () => {
  const { store: view } = store(task('a', 'n1', 'starting'));
  const long = { ...status('failed'), err: 'e'.repeat(limits.statusTextLengthMax + 1) };
  const [change] = taskReports(view, ctx, 'n1', [{ taskId: 'a', status: long }]);
  expect(JSON.stringify(change).length).toBeLessThan(limits.statusTextLengthMax + 500);
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
  expect(beatFrom({ session: 's', seq: 3 })).toEqual({ session: 's', seq: 3 });
  expect(helloFrom({ session: 's', description })).toEqual({ session: 's', description });
  const updates = [{ taskId: 't', status: status('running') }];
  expect(statusUpdatesFrom({ session: 's', updates })).toEqual(updates);
});
