import { expect, test } from '@jest/globals';
import { LogDesk } from '../../../actors/agent/log-desk.ts';
import { EngineError } from '../../../actors/agent/ports.ts';
import type { LogAnswer, LogAsk } from '../../../bus/log-bodies.ts';
import { limits } from '../../../domain/limits.ts';
import { chunksIn } from '../../../domain/logs/frames.ts';
import { Registry } from '../../../supervisors/registry.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settle } from '../../support/settle.ts';
import { allLines, LogEngine } from './log-engine.ts';

const options = { ...allLines, follow: true };

const feedsMax = 10;

function build() {
  const clock = new VirtualClock();
  const engine = new LogEngine();
  const registry = new Registry();
  const end = new AbortController();
  const desk = new LogDesk({
    nodeId: 'n1',
    executor: engine,
    clock,
    wallNow: () => clock.now(),
    log: () => undefined,
    registry,
    feedsMax,
    scope: end.signal,
  });
  /** All answers so far, each in one word or two. */
  const ask = (body: unknown): string[] => {
    const answers: string[] = [];
    desk.answer(body, (answer) => answers.push(said(answer)));
    return answers;
  };
  const go = async (ms: number): Promise<void> => {
    await settle();
    clock.advance(ms);
    await settle();
  };
  return { clock, engine, registry, end, desk, ask, go };
}

function said(answer: LogAnswer): string {
  if (!answer.ok) return answer.error.reason ?? answer.error.code;
  const lines = (chunksIn(answer.frames) ?? []).map(({ data }) =>
    Buffer.from(data).toString().trim(),
  );
  return `${lines.join()}${answer.end ? ' end' : ''}`;
}
const open = (stream: string, taskId: string, more: object = {}): LogAsk => ({
  ask: 'open',
  stream,
  taskId,
  options: { ...options, ...more },
});
const next = (stream: string, seq: number, bytes = 1_000, holdMs = 2_000): LogAsk => ({
  ask: 'next',
  stream,
  seq,
  bytes,
  holdMs,
});

test('lines come when they are asked for, and the end', async () => {
  const { engine, ask, go } = build();
  engine.write('t1', 1, 'one');
  expect(ask(open('s', 't1'))).toEqual(['']);
  await go(0);
  expect(ask(next('s', 1))).toEqual(['one']);
  const waiting = ask(next('s', 2));
  await go(1_000);
  expect(waiting).toEqual([]);
  engine.write('t1', 2, 'two', 'stderr');
  await go(0);
  expect(waiting).toEqual(['two']);
  const last = ask(next('s', 3));
  engine.end('t1');
  await go(0);
  expect(last).toEqual([' end']);
  expect(engine.reading).toBe(0);
});

test('a question whose answer got lost is answered again with the same lines', async () => {
  const { engine, ask, go } = build();
  engine.write('t1', 1, 'one');
  ask(open('s', 't1'));
  expect(ask(open('s', 't1'))).toEqual(['']);
  await go(0);
  expect(engine.asked).toHaveLength(1);
  ask(next('s', 1));
  engine.write('t1', 2, 'two');
  await go(0);
  expect(ask(next('s', 1))).toEqual(['one']);
  expect(ask(next('s', 2))).toEqual(['two']);
  expect(ask(next('s', 1))).toEqual(['NotFound']);
  expect(ask(next('s', 4))).toEqual(['NotFound']);
  // the question itself got lost on its way back: both are the same one, and both may wait
  const first = ask(next('s', 3));
  const again = ask(next('s', 3));
  engine.write('t1', 3, 'three');
  await go(0);
  expect([first, again]).toEqual([[], ['three']]);
});

test('nothing to tell is told after the hold', async () => {
  const { engine, ask, go } = build();
  engine.write('t1', 1, 'one');
  ask(open('s', 't1', { tail: '0' }));
  await go(0);
  const answers = ask(next('s', 1, 1_000, 2_000));
  await go(1_999);
  expect(answers).toEqual([]);
  await go(1);
  expect(answers).toEqual(['']);
});

test.each([
  ['closed', 0, ({ ask }: ReturnType<typeof build>) => ask({ ask: 'close', stream: 's' })],
  ['not asked for', 30_000, () => []],
  ['of an agent that ends', 0, ({ end }: ReturnType<typeof build>) => end.abort()],
])('a stream that is %s ends, and the engine’s reading with it', async (_, ms, harm) => {
  const h = build();
  h.engine.write('t1', 1, 'one');
  h.ask(open('s', 't1'));
  await h.go(ms - 1);
  expect(h.engine.reading).toBe(1);
  harm(h);
  await h.go(1);
  expect(h.engine.reading).toBe(0);
  expect(h.registry.tree()).toEqual([]);
  expect(h.ask(next('s', 1))).not.toEqual(['one']);
});

test('a reader that is behind keeps its stream', async () => {
  const { engine, ask, go } = build();
  engine.write('t1', 1, 'one');
  ask(open('s', 't1'));
  for (let i = 0; i < 10; i++) {
    await go(20_000);
    expect(ask({ ask: 'keep', stream: 's' })).toHaveLength(1);
  }
  expect(ask(next('s', 1))).toEqual(['one']);
});

test('the engine is read as far as one answer goes, then at the pace of the questions', async () => {
  const { engine, ask, go } = build();
  const line = 'x'.repeat(1_000);
  const lines = 100_000;
  engine.entries.set(
    't1',
    Array.from({ length: lines }, () => ({
      stream: 'stdout',
      time: '2026-11-30T14:25:01Z',
      text: line,
    })),
  );
  engine.end('t1');
  ask(open('s', 't1'));
  await go(0);
  const first = engine.taken;
  expect(first * line.length).toBeLessThan(limits.logAnswerBytesMax + line.length);
  await go(20_000);
  expect(engine.taken).toBe(first);
  let got = 0;
  for (let seq = 1; seq < 100; seq++) {
    const [answer = ''] = ask(next('s', seq, 8_192));
    got += answer.split(',').length;
    expect(answer.length).toBeLessThanOrEqual(8_192);
    await go(0);
    expect(engine.taken - got).toBeLessThanOrEqual(first);
  }
});

test('a line that is longer than an answer comes alone', async () => {
  const { engine, ask, go } = build();
  for (const length of [10, 50_000, 10]) engine.write('t1', 1, 'x'.repeat(length));
  ask(open('s', 't1'));
  await go(0);
  expect([1, 2, 3].map((seq) => ask(next('s', seq, 100))[0]?.length)).toEqual([10, 50_000, 10]);
});

test.each([
  ['Unavailable', new EngineError('connect ENOENT', true)],
  ['Unknown', new EngineError('no reading', false)],
])('the engine’s error is told behind the last line: %s', async (code, error) => {
  const { engine, ask, go } = build();
  engine.write('t1', 1, 'one');
  ask(open('s', 't1'));
  await go(0);
  engine.fail(error);
  await go(0);
  expect([1, 2].map((seq) => ask(next('s', seq)))).toEqual([['one'], [code]]);
});

test('what is no question is refused; a task that is not here has no log', async () => {
  const { ask, go } = build();
  expect(ask({ ask: 'open' })).toEqual(['InvalidArgument']);
  expect(ask(next('s', 1))).toEqual(['NotFound']);
  ask(open('s', 'elsewhere'));
  await go(0);
  expect(ask(next('s', 1))).toEqual(['no-container']);
});

test('there is a bound on the logs that are read at the same time', async () => {
  const { engine, ask, go } = build();
  engine.write('t1', 1, 'one');
  for (let i = 0; i < feedsMax; i++) expect(ask(open(`s${i}`, 't1'))).toEqual(['']);
  expect(ask(open('more', 't1'))).toEqual(['ResourceExhausted']);
  ask({ ask: 'close', stream: 's5' });
  await go(0);
  expect(ask(open('more', 't1'))).toEqual(['']);
});
