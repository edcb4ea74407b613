import { describe, expect, test } from '@jest/globals';
import { Reporter } from '../../../actors/agent/reporter.ts';
import type { StatusReport } from '../../../bus/protocol.ts';
import { statusUpdatesFrom } from '../../../bus/agent-bodies.ts';
import { packedBytes } from '../../../bus/codec.ts';
import { subjects } from '../../../bus/subjects.ts';
import { limits } from '../../../domain/limits.ts';
import type { TaskStatus } from '../../../domain/model/objects.ts';
import type { TaskState } from '../../../domain/task-state.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { MemoryHub } from '../../support/memory-bus.ts';
import { settle } from '../../support/settle.ts';

const status = (state: TaskState, err?: string): TaskStatus => ({
  state,
  at: 0,
  message: '',
  ...(err === undefined ? {} : { err }),
});
const fault = (code: string) => ({ ok: false, error: { code, message: code, origin: 'manager' } });

function harness() {
  const clock = new VirtualClock();
  const hub = new MemoryHub(clock);
  const bus = hub.connect();
  const reports: StatusReport[] = [];
  const answers: unknown[] = [];
  const answer: { of: (report: StatusReport) => unknown } = { of: () => ({ ok: true }) };
  hub.connect().subscribe(subjects.agents('status'), ({ body, reply }) => {
    reports.push(body as StatusReport);
    const next = answers.length > 0 ? answers.shift() : answer.of(body as StatusReport);
    if (next !== undefined) reply?.(next);
  });
  const reporter = new Reporter({
    nodeId: 'n1',
    bus,
    clock,
    random: () => 1,
    log: () => undefined,
  });
  const go = async (ms: number): Promise<void> => {
    for (let i = 0; i < ms; i++) {
      await settle();
      clock.advance(1);
    }
    await settle();
  };
  /** `t1 running,t2 ready` for each request so far. */
  const sent = (): string[] =>
    reports.map((r) => r.updates.map((u) => `${u.taskId} ${u.status.state}`).join());
  return { clock, bus, reports, answers, answer, reporter, go, sent };
}

test('what one tick brings goes out at once as one report, newest only', async () => {
  const h = harness();
  h.reporter.setSession(true);
  h.reporter.report('t1', status('accepted'));
  h.reporter.report('t2', status('accepted'));
  h.reporter.report('t1', status('preparing'));
  await h.go(5);
  expect(h.sent()).toEqual(['t1 preparing,t2 accepted']);
  expect(h.reporter.pending).toBe(0);
});

test('one request at a time; what came meanwhile follows its acknowledgement', async () => {
  const h = harness();
  h.reporter.setSession(true);
  h.reporter.report('t1', status('ready'));
  await h.go(1);
  h.reporter.report('t1', status('running'));
  h.reporter.report('t2', status('running'));
  await h.go(10);
  expect(h.sent()).toEqual(['t1 ready', 't1 running,t2 running']);
  expect(h.reporter.pending).toBe(0);
});

describe('retried until acknowledged', () => {
  test.each([
    ['a timeout', undefined],
    ['a fault', fault('Unavailable')],
    ['nonsense', 42],
  ])('after %s', async (_, answer) => {
    const h = harness();
    h.answers.push(answer, answer);
    h.reporter.setSession(true);
    h.reporter.report('t1', status('running'));
    await h.go(12_000);
    expect(h.sent()).toEqual(['t1 running', 't1 running', 't1 running']);
    expect(h.reporter.pending).toBe(0);
  });

  test('with pauses that end at 8 s', async () => {
    const h = harness();
    h.answer.of = () => fault('Unavailable');
    h.reporter.setSession(true);
    h.reporter.report('t1', status('running'));
    await h.go(13_000);
    const before = h.reports.length;
    await h.go(16_100);
    expect(h.reports.length - before).toBe(2);
  });

  test('over sessions and lost connections', async () => {
    const h = harness();
    h.reporter.report('t1', status('running'));
    await h.go(100);
    expect(h.sent()).toEqual([]);
    h.bus.setConnected(false);
    h.reporter.setSession(true);
    await h.go(100);
    h.reporter.setSession(false);
    h.reporter.report('t1', status('complete'));
    h.bus.setConnected(true);
    await h.go(1_000);
    h.reporter.setSession(true);
    await h.go(1_000);
    expect(h.sent()).toEqual(['t1 complete']);
  });
});

test('a new session ends the pause that failures before it have made', async () => {
  const h = harness();
  h.answer.of = () => fault('Unavailable');
  h.reporter.setSession(true);
  h.reporter.report('t1', status('running'));
  await h.go(30_000);
  h.answer.of = () => ({ ok: true });
  const before = h.reports.length;
  h.reporter.setSession(false);
  h.reporter.setSession(true);
  await h.go(5);
  expect(h.reports).toHaveLength(before + 1);
  expect(h.reporter.pending).toBe(0);
});

test('reports are bounded in tasks', async () => {
  const h = harness();
  for (let i = 0; i < 2_500; i++) h.reporter.report(`t${i}`, status('running'));
  h.reporter.setSession(true);
  await h.go(20);
  expect(h.reports.map((r) => r.updates.length)).toEqual([1_000, 1_000, 500]);
});

const ports = Array.from({ length: 100 }, (_, i) => ({
  Protocol: 'tcp' as const,
  TargetPort: i,
  PublishedPort: 30_000 + i,
  PublishMode: 'host' as const,
}));
const text = (letter: string, length: number = limits.statusTextLengthMax): string =>
  letter.repeat(length);

test.each<[string, number, TaskStatus]>([
  ['error texts', 600, status('failed', text('x'))],
  ['texts of more bytes than characters', 600, status('failed', text('€'))],
  ['messages', 600, { ...status('failed'), message: text('x') }],
  ['ports', 900, { ...status('running'), ports }],
])('reports are bounded in bytes: %s', async (_, count, each) => {
  const h = harness();
  for (let i = 0; i < count; i++) h.reporter.report(`t${i}`, each);
  h.reporter.setSession(true);
  await h.go(60);
  expect(h.reports.flatMap((r) => r.updates.map((u) => u.taskId))).toHaveLength(count);
  for (const report of h.reports) {
    expect(packedBytes(report)).toBeLessThan(limits.statusReportBytesMax + 64 * 1_024);
    expect(statusUpdatesFrom(report)).toBeDefined();
  }
  expect(h.reports.length).toBeLessThan(count / 10);
});

test('a report goes up to its limit and not beyond; a single status is never held back', async () => {
  const updatesOf = async (...lengths: number[]): Promise<number[]> => {
    const h = harness();
    for (const [i, length] of lengths.entries())
      h.reporter.report(`t${i}`, status('failed', text('x', length)));
    h.reporter.setSession(true);
    await h.go(20);
    return h.reports.map((r) => r.updates.length);
  };
  const most = limits.statusReportBytesMax;
  expect(await updatesOf(most / 2, most / 2 - 500)).toEqual([2]);
  expect(await updatesOf(most / 2, most / 2 + 500)).toEqual([1, 1]);
  expect(await updatesOf(4 * most, 10)).toEqual([1, 1]);
});

test('closed, it sends nothing and leaves no timer', async () => {
  const h = harness();
  h.answer.of = () => fault('Unavailable');
  h.reporter.setSession(true);
  h.reporter.report('t1', status('running'));
  await h.go(5);
  h.reporter.close();
  h.reporter.setSession(true);
  h.reporter.report('t2', status('running'));
  await h.go(20_000);
  expect(h.reports).toHaveLength(1);
  expect(h.clock.step()).toBe(false);
});
