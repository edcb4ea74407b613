import { expect, test } from '@jest/globals';
import { nodePhase } from '../../../domain/assign/node-phase.ts';
import type { Node } from '../../../domain/model/objects.ts';
import { Store } from '../../../domain/store/store.ts';
import { aNode, aTask } from '../../support/api.ts';

const drain: Partial<Node> = { spec: { ...aNode().spec, Availability: 'drain' } };
const inState = (state: Node['status']['state']): Partial<Node> => ({
  status: { ...aNode().status, state },
});
const ended = { ...aTask().status, state: 'complete' } as const;

const phaseOf = (node: Partial<Node>, isSilent = false, task = aTask()): string => {
  const nodes = [aNode(node)];
  const store = Store.load(1, { cluster: [], node: nodes, service: [], task: [task] });
  return nodePhase(store, aNode().id, isSilent);
};

test.each<[string, Partial<Node>, boolean]>([
  ['ready', {}, false],
  ['silent', {}, true],
  ['unknown', inState('unknown'), false],
  ['down', inState('down'), false],
  ['down', inState('down'), true],
  ['resting', { restUntil: 1 }, false],
  ['draining', drain, false],
  ['silent', drain, true],
])('%s: %j, silent: %s', (phase, node, isSilent) => {
  expect(phaseOf(node, isSilent)).toBe(phase);
});

test('a node is drained when its last task has ended', () => {
  expect(phaseOf(drain, false, aTask({ status: ended }))).toBe('drained');
});

test('a node that is being removed is unknown', () => {
  const store = Store.load(1, { cluster: [], node: [], service: [], task: [] });
  expect(nodePhase(store, 'gone', false)).toBe('unknown');
});
