// What a manager asks nodes about their actors, against the part of the node's agent, on a bus in memory.

import { expect, test } from '@jest/globals';
import { fromCallback } from 'xstate';
import { treeDeskLogic, treeOf } from '../../../actors/agent/tree-desk.ts';
import { treesOf } from '../../../actors/manager/trees.ts';
import { subjects } from '../../../bus/subjects.ts';
import { limits } from '../../../domain/limits.ts';
import { ActorChild } from '../../../supervisors/child.ts';
import { Registry } from '../../../supervisors/registry.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { MemoryHub } from '../../support/memory-bus.ts';
import { settle } from '../../support/settle.ts';

const still = fromCallback(() => undefined);

function build() {
  const clock = new VirtualClock();
  const hub = new MemoryHub(clock);
  const registry = new Registry();
  const ports = { clock, registry, report: () => undefined };
  const start = (id: string, waiting?: () => number): void => {
    const spec = { id, logic: still, input: () => undefined };
    const full = waiting === undefined ? spec : { ...spec, waiting };
    new ActorChild(full, { ...ports, address: 'agent/n1' }, () => undefined).start();
  };
  const desk = new ActorChild(
    {
      id: 'tree',
      logic: treeDeskLogic,
      input: () => ({ bus: hub.connect(), nodeId: 'n1', registry, clock }),
    },
    { ...ports, address: 'agent/n1' },
    () => undefined,
  );
  const bus = hub.connect();
  const askFor = async (nodeIds: readonly string[]) => {
    const trees = treesOf(bus, nodeIds);
    for (let i = 0; i < 10; i++) {
      await settle();
      clock.advance(1_000);
    }
    return trees;
  };
  return { clock, hub, registry, start, desk, askFor };
}

test('a node tells what runs on it, one that does not answer says so', async () => {
  const h = build();
  h.start('tasks', () => 3);
  h.clock.advance(500);
  h.registry.failed('agent/n1/session', new Error('refused\u001b[2J'), h.clock.now());
  h.desk.start();
  const [n1, n2] = await h.askFor(['n1', 'n2']);
  expect(n1).toMatchObject({ nodeId: 'n1', left: 0 });
  expect(n1?.rows).toMatchObject([
    {
      address: 'agent/n1/session',
      state: 'restarting',
      restarts: 1,
      lastError: 'refused\ufffd[2J',
    },
    { address: 'agent/n1/tasks', supervisor: 'agent/n1', state: 'active', mailbox: 3 },
    { address: 'agent/n1/tree', restarts: 0, lastError: '' },
  ]);
  expect(n2).toMatchObject({ rows: [], error: expect.stringContaining('does not answer') });
});

test('of many actors the failed ones come first, and the rest is a number', () => {
  const { registry, clock, start } = build();
  for (let i = 0; i < 20; i++) start(`t${String(i).padStart(2, '0')}`);
  registry.failed('agent/n1/z', new Error('broken'), clock.now());
  const { rows, left } = treeOf(registry, clock.now(), 3);
  expect(rows.map(({ address }) => address)).toEqual([
    'agent/n1/t00',
    'agent/n1/t01',
    'agent/n1/z',
  ]);
  expect(left).toBe(18);
});

test('what a node answers is read strictly, and never more than was asked for', async () => {
  const row = {
    address: 'a\u001b',
    supervisor: '',
    state: 's',
    forMs: 0,
    restarts: 0,
    lastError: 'e'.repeat(300),
  };
  const h = build();
  const evil = h.hub.connect();
  const answers: Record<string, unknown> = {
    n1: { rows: [{ ...row, restarts: -1 }], left: 0 },
    n2: { rows: Array.from({ length: 2_000 }, () => row), left: 7 },
  };
  for (const [nodeId, answer] of Object.entries(answers))
    evil.subscribe(subjects.node(nodeId, 'tree'), ({ reply }) => reply?.(answer));
  const [n1, n2] = await h.askFor(['n1', 'n2']);
  expect(n1).toMatchObject({ rows: [], error: 'the node answers something that is no tree' });
  expect(n2?.rows).toHaveLength(limits.treeRowsMax);
  expect(n2?.rows[0]).toMatchObject({ address: 'a\ufffd' });
  expect(n2?.rows[0]?.lastError).toHaveLength(limits.treeTextLengthMax);
});
