import { expect, test } from '@jest/globals';
import { type ActorRow, renderTree } from '../../../cmd/tree-command.ts';

const actor = (Address: string, more: Partial<ActorRow> = {}): ActorRow => ({
  Address,
  Supervisor: '',
  State: 'active',
  ForMs: 61_000,
  Restarts: 0,
  LastError: '',
  ...more,
});

test('a table with the addresses as a tree', () => {
  const Actors = [
    actor('agent'),
    actor('agent/n1/session', {
      State: 'restarting',
      ForMs: 500,
      Restarts: 4,
      LastError: 'refused',
    }),
    actor('agent/n1/tasks', { Mailbox: 3, ForMs: 7_260_000 }),
    actor('manager/leader/services/s1', {
      State: 'idle',
      Phase: 'converged',
      ForMs: 3 * 86_400_000,
    }),
  ];
  expect(renderTree({ NodeID: 'n1', Hostname: 'host1', Actors, More: 9 })).toBe(
    [
      'node n1 host1',
      'ADDRESS       STATE             FOR   RESTARTS  MAILBOX  LAST ERROR',
      'agent         active            1m1s  0         -',
      '  n1',
      '    session   restarting        0s    4         -        refused',
      '    tasks     active            2h1m  0         3',
      'manager',
      '  leader',
      '    services',
      '      s1      converged (idle)  3d    0         -',
      '… and 9 more',
    ].join('\n'),
  );
});

test('a node that is not known says why', () => {
  const none = { NodeID: 'n1', Hostname: '', Actors: [], More: 0 };
  expect(renderTree({ ...none, Error: 'the node does not answer' })).toBe(
    'node n1\n  the node does not answer',
  );
  expect(renderTree({ ...none, NodeID: '' })).toContain('this daemon is in no swarm');
});
