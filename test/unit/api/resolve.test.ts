import { expect, test } from '@jest/globals';
import { findNode, findService, findTask, getService } from '../../../api/resolve.ts';
import {
  aNode,
  aService,
  aTask,
  FakeSwarm,
  nodeId,
  serviceId,
  spec,
  taskId,
} from '../../support/api.ts';

const named = (id: string, name: string) =>
  aService({ id: id.padEnd(25, '0'), spec: spec({ Name: name }) });

test('exact id, then name, then start of the id', () => {
  const { store } = new FakeSwarm({
    service: [aService(), named('web', 'x'), named('svc2', 'db')],
  });
  expect(findService(store, serviceId)?.id).toBe(serviceId);
  expect(findService(store, 'web')?.id).toBe(serviceId);
  expect(findService(store, 'svc2')?.spec.Name).toBe('db');
  expect(findService(store, 'WEB')).toBeUndefined();
  expect(findService(store, 'none')).toBeUndefined();
  expect(() => findService(store, 'svc')).toThrow('service svc is ambiguous (2 matches found)');
  expect(() => getService(store, 'none')).toThrow('service none not found');
});

test('nodes go by hostname, which need not be unique', () => {
  const { store } = new FakeSwarm({ node: [aNode(), aNode({ id: 'n2'.padEnd(25, '0') })] });
  expect(findNode(store, nodeId)?.id).toBe(nodeId);
  expect(findNode(store, 'n2')?.id).toMatch(/^n2/);
  const ids = [nodeId, 'n2'.padEnd(25, '0')].toSorted();
  expect(() => findNode(store, 'host1')).toThrow(
    `node host1 is ambiguous (2 matches found): ${ids.join(', ')}; say which by its ID`,
  );
});

test('of very many matches some are named', () => {
  const { store } = new FakeSwarm({
    node: Array.from({ length: 30 }, (_, i) => aNode({ id: `m${i + 10}`.padEnd(25, '0') })),
  });
  const named = Array.from({ length: 10 }, (_, i) => `m${i + 10}`.padEnd(25, '0'));
  expect(() => findNode(store, 'host1')).toThrow(
    `node host1 is ambiguous (30 matches found): ${named.join(', ')} and 20 more; say which by its ID`,
  );
});

test('tasks go by their whole name', () => {
  const { store } = new FakeSwarm({ task: [aTask()] });
  expect(findTask(store, `web.1.${taskId}`)?.id).toBe(taskId);
  expect(findTask(store, 'task1')?.id).toBe(taskId);
  expect(findTask(store, 'web.1')).toBeUndefined();
});
