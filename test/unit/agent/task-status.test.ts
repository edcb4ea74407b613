import { describe, expect, test } from '@jest/globals';
import { EngineError, type Found } from '../../../actors/agent/ports.ts';
import {
  afterFind,
  endStatus,
  shortErrorText,
  isRetryable,
  type LiveState,
  liveStatus,
  type NextStep,
} from '../../../actors/agent/task-status.ts';
import type { TaskState } from '../../../domain/task-state.ts';

const container = { id: 'c', pid: 1, exitCode: 0 };
const found: Readonly<Record<Found['kind'], Found>> = {
  absent: { kind: 'absent' },
  created: { kind: 'created', container },
  running: { kind: 'running', run: { container, ports: [] } },
  exited: { kind: 'exited', exit: { container } },
};

describe('where a task goes on', () => {
  const kinds = ['absent', 'created', 'running', 'exited'] as const;
  const rows: readonly [TaskState, readonly [NextStep, NextStep, NextStep, NextStep]][] = [
    ['assigned', ['preparing', 'preparing', 'starting', 'ended']],
    ['accepted', ['preparing', 'preparing', 'starting', 'ended']],
    ['preparing', ['preparing', 'preparing', 'starting', 'ended']],
    ['ready', ['preparing', 'preparing', 'starting', 'ended']],
    ['starting', ['gone', 'starting', 'starting', 'ended']],
    ['running', ['gone', 'gone', 'running', 'ended']],
  ];
  test.each(rows)('from %s', (state, steps) => {
    expect(kinds.map((kind) => afterFind(found[kind], state, false))).toEqual(steps);
  });
  test.each(rows)('from %s, to be stopped', (state) => {
    const steps = kinds.map((kind) => afterFind(found[kind], state, true));
    expect(steps).toEqual(['ended', 'ended', 'stopping', 'ended']);
  });
});

const last = (state: TaskState, message = 'started') => ({ state, at: 1, message });

test('a living task reports advances only', () => {
  const states: LiveState[] = ['accepted', 'preparing', 'ready', 'starting', 'running'];
  const told = states.map((state) => liveStatus(last('ready'), state, {}, 5)?.message);
  expect(told).toEqual([undefined, undefined, undefined, 'starting', 'started']);
});

test('a running task tells its container and ports', () => {
  const port = { Protocol: 'tcp', TargetPort: 80, PublishMode: 'host' } as const;
  const run = { container, ports: [port] };
  expect(liveStatus(last('starting'), 'running', run, 5)).toEqual({
    state: 'running',
    at: 5,
    message: 'started',
    container,
    ports: [port],
  });
});

describe('how a task ended', () => {
  const exit = (exitCode: number, reason?: string) => ({
    container: { ...container, exitCode },
    ...(reason === undefined ? {} : { reason }),
  });
  const cases: readonly [string, Parameters<typeof endStatus>[1], TaskState, string, string][] = [
    ['well', { exit: exit(0), stopped: false, failure: undefined }, 'complete', 'finished', ''],
    [
      'with a code',
      { exit: exit(3), stopped: false, failure: undefined },
      'failed',
      'started',
      'task: non-zero exit (3)',
    ],
    [
      'unhealthy',
      { exit: exit(137, 'unhealthy container'), stopped: false, failure: undefined },
      'failed',
      'started',
      'task: non-zero exit (137): dockerexec: unhealthy container',
    ],
    [
      'unhealthy, stopped well',
      { exit: exit(0, 'unhealthy container'), stopped: false, failure: undefined },
      'failed',
      'started',
      'task: exit (0): dockerexec: unhealthy container',
    ],
    [
      'out of memory',
      { exit: exit(137, 'out of memory'), stopped: false, failure: undefined },
      'failed',
      'started',
      'task: non-zero exit (137): out of memory',
    ],
    ['told to', { exit: exit(143), stopped: true, failure: undefined }, 'shutdown', 'shutdown', ''],
    [
      'told to, without a run',
      { exit: undefined, stopped: true, failure: undefined },
      'shutdown',
      'shutdown',
      '',
    ],
    [
      'broken',
      { exit: undefined, stopped: false, failure: 'no such thing' },
      'failed',
      'started',
      'no such thing',
    ],
  ];
  test.each(cases)('%s', (_, end, state, message, err) => {
    const status = endStatus(last('running'), end, 9);
    expect(status).toMatchObject({ state, at: 9, message });
    expect(status?.err ?? '').toBe(err);
    expect(status?.container).toEqual(end.exit?.container);
  });

  test('broken before its start: rejected', () => {
    const end = { exit: undefined, stopped: false, failure: 'No such image: x' };
    expect(endStatus(last('preparing', 'preparing'), end, 9)).toEqual({
      state: 'rejected',
      at: 9,
      message: 'preparing',
      err: 'No such image: x',
    });
  });

  test('nothing is told that is no advance over what the manager has declared', () => {
    const end = { exit: exit(143), stopped: true, failure: undefined };
    expect(endStatus(last('orphaned'), end, 9)).toBeUndefined();
    expect(endStatus(last('rejected'), end, 9)).toBeUndefined();
  });
});

test('errors', () => {
  expect(shortErrorText(new Error('x'.repeat(9_999)))).toHaveLength(4_096);
  expect(shortErrorText('text')).toBe('text');
  expect(isRetryable(new EngineError('x', true))).toBe(true);
  expect(isRetryable(new EngineError('x', false))).toBe(false);
  expect(isRetryable(new Error('x'))).toBe(false);
});
