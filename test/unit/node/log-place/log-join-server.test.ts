// Which managers get in, and which get the state, by what the state says of them.

import { expect, test } from '@jest/globals';
import type { Manager } from '../../../../actors/manager/manager.ts';
import { LogJoinServer } from '../../../../actors/node/log-place/log-join-server.ts';
import type { Node } from '../../../../domain/model/objects.ts';
import { Store } from '../../../../domain/store/store.ts';
import { aNode } from '../../../support/api.ts';

const checkpoint = { seq: 7, hash: 'h', data: new Uint8Array() };
const asker = { nodeId: aNode().id, pin: 'p' };
const told = { addr: '1:2377', bus: '1:7946', route: '1:7947' };

function serverFor(role: Node['role'], wanted: Node['role']): LogJoinServer {
  const node = aNode({ role, pins: ['p'], spec: { ...aNode().spec, Role: wanted } });
  const store = Store.load(7, { cluster: [], node: [node], service: [], task: [] });
  const manager: Pick<Manager, 'view' | 'command' | 'snapshot' | 'generation'> = {
    generation: 2,
    view: () => store,
    command: () => Promise.resolve({ result: undefined, index: 8 }),
    snapshot: () => checkpoint,
  };
  return new LogJoinServer(manager, { letIn: () => undefined });
}

test('a manager gets in, and gets the state of the generation', async () => {
  const server = serverFor('manager', 'manager');
  await server.enroll(asker, told);
  expect(server.checkpoint(asker, 2)).toBe(checkpoint);
  expect(() => server.checkpoint(asker, 3)).toThrow('in generation 2');
});

test('one that is to go is not let in anew, and gets the state: it counts until it is let go', async () => {
  const server = serverFor('manager', 'worker');
  await expect(server.enroll(asker, told)).rejects.toThrow('is not to be a manager');
  expect(server.checkpoint(asker, 2)).toBe(checkpoint);
});

test('a worker gets nothing, though it is to become a manager', () => {
  const server = serverFor('worker', 'manager');
  expect(() => server.checkpoint(asker, 2)).toThrow('is not to be a manager');
  expect(() => server.offer(asker)).toThrow('is not to be a manager');
});
