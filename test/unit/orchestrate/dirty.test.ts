import { expect, test } from '@jest/globals';
import type { Node, Service, Task } from '../../../domain/model/objects.ts';
import type { ServiceSpec, TaskSpec } from '../../../domain/model/spec.ts';
import { DirtyCheck } from '../../../domain/orchestrate/dirty.ts';
import { sameData } from '../../../domain/orchestrate/same-data.ts';
import { World } from './world.ts';

function setUp(
  change: Partial<ServiceSpec> & { readonly task?: Partial<TaskSpec> },
  task: Partial<Task> = {},
): [Service, Task, Node] {
  const world = new World(0);
  world.addNode('n1', { disk: 'ssd' });
  world.create('web');
  world.settle();
  world.update('web', change);
  const [made] = world.tasks('web');
  return [world.service('web'), { ...(made as Task), ...task }, world.store.node('n1') as Node];
}
const status = (state: Task['status']['state']) => ({ status: { state, at: 0, message: '' } });
const auth = (RegistryAuth: string) => ({
  task: { ContainerSpec: { Image: 'app:1', PullOptions: { RegistryAuth } } },
});
const placed = (constraint: string) => ({ task: { Placement: { Constraints: [constraint] } } });

test.each([
  ['nothing', {}, {}, false],
  ['labels of the service', { Labels: { a: 'b' } }, {}, false],
  ['replicas', { Mode: { Replicated: { Replicas: 9 } } }, {}, false],
  ['the update configuration', { UpdateConfig: { Parallelism: 9, MaxFailureRatio: 0 } }, {}, false],
  ['the image', { task: { ContainerSpec: { Image: 'app:2' } } }, {}, true],
  ['ForceUpdate', { task: { ForceUpdate: 1 } }, {}, true],
  ['the restart policy', { task: { RestartPolicy: { Condition: 'none' } } }, {}, true],
  [
    'a host port',
    { EndpointSpec: { Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishMode: 'host' }] } },
    {},
    true,
  ],
  ['an endpoint spec that says the default', { EndpointSpec: { Mode: 'vip' } }, {}, false],
  ['dnsrr', { EndpointSpec: { Mode: 'dnsrr' } }, {}, true],
  ['constraints that the node meets', placed('node.labels.disk == ssd'), {}, false],
  ['constraints that it does not', placed('node.labels.disk == hdd'), {}, true],
  [
    'constraints and the image',
    { task: { ...placed('node.labels.disk == ssd').task, ForceUpdate: 1 } },
    {},
    true,
  ],
  ['credentials, of a running task', auth('x'), status('running'), false],
  ['credentials, of a prepared task', auth('x'), status('ready'), false],
  ['credentials, of a task that may still pull', auth('x'), status('preparing'), true],
  ['credentials, of a failed task', auth('x'), status('failed'), true],
  ['anything, for a task of this version', { task: { ForceUpdate: 1 } }, { specVersion: 2 }, false],
] as const)('changing %s', (_, change, task, dirty) => {
  const [service, made, node] = setUp(change as never, task);
  expect(new DirtyCheck(service).isDirty(made, node)).toBe(dirty);
});

test('a task without a node does not fit new constraints', () => {
  const [service, task] = setUp(placed('node.labels.disk == ssd'));
  expect(new DirtyCheck(service).isDirty(task, undefined)).toBe(true);
});

test.each([
  [1, 1, true],
  [1, '1', false],
  [null, undefined, false],
  [{ a: undefined }, {}, true],
  [{ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }, true],
  [{ a: 1 }, { b: 1 }, false],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [[1, 2], [2, 1], false],
  [[1], [1, 2], false],
  [[], {}, false],
  [{}, [], false],
  [{ toString: 1 }, {}, false],
])('%j and %j say the same: %s', (a, b, same) => {
  expect(sameData(a, b)).toBe(same);
});
