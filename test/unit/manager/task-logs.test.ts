// The reading of a log by a manager, against the desk of the node's agent, on a bus in memory.

import { expect, test } from '@jest/globals';
import { LogDesk, logDeskLogic } from '../../../actors/agent/log-desk.ts';
import type { LogOptions } from '../../../actors/agent/ports.ts';
import { TaskLogs } from '../../../actors/manager/task-logs.ts';
import type { LogAsk } from '../../../bus/log-bodies.ts';
import { subjects } from '../../../bus/subjects.ts';
import type { Node } from '../../../domain/model/objects.ts';
import { Store } from '../../../domain/store/store.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { createActor } from 'xstate';
import { aNode, aTask, nodeId, taskId } from '../../support/api.ts';
import { MemoryHub } from '../../support/memory-bus.ts';
import { settle } from '../../support/settle.ts';
import { allLines, LogEngine } from '../agent/log-engine.ts';

const follow = { ...allLines, follow: true };

function build() {
  const clock = new VirtualClock();
  const hub = new MemoryHub(clock);
  const engine = new LogEngine();
  const bus = hub.connect();
  const nodeBus = hub.connect();
  let store = Store.load(1, { cluster: [], service: [], node: [aNode()], task: [aTask()] });
  let ids = 0;
  const logs = new TaskLogs({
    ask: (node, ask, timeoutMs) => bus.request(subjects.node(node, 'logs'), ask, timeoutMs),
    tell: (node, ask) => bus.publish(subjects.node(node, 'logs'), ask),
    view: () => store,
    clock,
    random: () => 0.5,
    newId: () => `stream${++ids}`,
  });
  /** The node's daemon begins; what it gives ends it like a kill. */
  const startAgent = (): (() => void) => {
    const end = new AbortController();
    const ports = {
      nodeId,
      executor: engine,
      clock,
      wallNow: () => clock.now(),
      log: () => undefined,
    };
    const desk = new LogDesk({ ...ports, scope: end.signal });
    const actor = createActor(logDeskLogic, { input: { desk, bus: nodeBus, nodeId } }).start();
    return () => {
      actor.stop();
      end.abort();
    };
  };
  const go = async (ms: number, stepMs = 10): Promise<void> => {
    await settle();
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(stepMs, left));
      await settle();
    }
  };
  const patch = (status: Node['status'] | undefined): void => {
    const change = { op: 'patch', kind: 'node', id: nodeId, fields: { status } } as const;
    if (status === undefined)
      store = Store.load(1, { cluster: [], service: [], node: [aNode()], task: [] });
    else
      logs.noteChanges(
        store.apply({
          index: store.index + 1,
          at: 0,
          changes: [{ ...change, fields: { status } }],
        }),
      );
  };
  /** Reads as a client does whose pace is `pace`. */
  const read = (options: LogOptions, pace: () => Promise<void> | undefined = () => undefined) => {
    const end = new AbortController();
    const out: string[] = [];
    const run = async (): Promise<void> => {
      const reading = { task: aTask(), options, share: () => 1, scope: end.signal };
      for await (const item of logs.read(reading)) {
        out.push('away' in item ? `(${item.away} away)` : Buffer.from(item.data).toString().trim());
        await pace();
      }
      out.push('end');
    };
    run().catch((error: Error) => out.push(`${error.name} ${error.message}`));
    return { out, end: () => end.abort() };
  };
  const asks = (): readonly LogAsk[] => hub.bodies(subjects.node(nodeId, 'logs')) as LogAsk[];
  const state = (value: Node['status']['state']): void =>
    patch({ ...aNode().status, state: value });
  const forget = (): void => patch(undefined);
  return { clock, hub, engine, bus, nodeBus, startAgent, go, read, asks, state, forget };
}
const away = `(${nodeId} away)`;
const unavailable = `Fault node ${nodeId} is not available`;

test('the log of a task on another node, and its end', async () => {
  const h = build();
  h.startAgent();
  h.engine.write(taskId, 1, 'one');
  h.engine.write(taskId, 2, 'two', 'stderr');
  const { out } = h.read(allLines);
  await h.go(100);
  expect(out).toEqual(['one', 'two', 'end']);
  expect(h.engine.asked).toEqual([{ ...allLines, id: taskId, timestamps: true }]);
  expect(h.asks().at(-1)).toMatchObject({ ask: 'close' });
});

test('what is followed comes as it is written; its client’s end ends the engine’s reading', async () => {
  const h = build();
  h.startAgent();
  h.engine.write(taskId, 1, 'one');
  const reading = h.read(follow);
  await h.go(10_000);
  h.engine.write(taskId, 2, 'two');
  await h.go(100);
  expect(reading.out).toEqual(['one', 'two']);
  expect(h.engine.reading).toBe(1);
  reading.end();
  await h.go(20);
  expect(h.engine.reading).toBe(0);
  expect(reading.out).toEqual(['one', 'two', 'end']);
});

test('a manager that is gone: the reading ends with the node’s lease', async () => {
  const h = build();
  h.startAgent();
  h.engine.write(taskId, 1, 'one');
  h.read(follow);
  await h.go(100);
  h.bus.setConnected(false);
  await h.go(29_000, 100);
  expect(h.engine.reading).toBe(1);
  await h.go(4_000, 100);
  expect(h.engine.reading).toBe(0);
});

test('a reader that is behind asks for nothing, and keeps its stream', async () => {
  const h = build();
  h.startAgent();
  for (let i = 0; i < 2_000; i++) h.engine.write(taskId, 1, `${i} ${'x'.repeat(500)}`);
  let next: () => void = () => undefined;
  const { out } = h.read(follow, () => new Promise((resolve) => (next = resolve)));
  await h.go(120_000, 1_000);
  expect(out).toHaveLength(1);
  const nexts = (): number => h.asks().filter(({ ask }) => ask === 'next').length;
  expect(nexts()).toBe(1);
  expect(h.engine.taken).toBeLessThan(1_100);
  for (let i = 1; i < 2_000; i++) {
    next();
    await settle();
    if (i % 100 === 0) await h.go(20);
  }
  await h.go(100);
  expect(out.map((line) => Number(line.split(' ')[0]))).toEqual(out.map((_, i) => i));
  expect(h.engine.asked).toHaveLength(1);
});

/** Lines are written all the time while something happens; in the end each was read once. */
async function throughout(
  harm: (h: ReturnType<typeof build>) => Promise<void>,
): Promise<readonly string[]> {
  const h = build();
  h.startAgent();
  let written = 0;
  let isOver = false;
  const write = (): void => {
    if (isOver) return;
    h.engine.write(
      taskId,
      1 + Math.floor(written / 3) / 100,
      `${written++}`,
      written % 2 === 0 ? 'stderr' : 'stdout',
    );
    h.clock.setTimeout(write, 40);
  };
  write();
  const { out } = h.read(follow);
  await h.go(300);
  await harm(h);
  await h.go(6_000);
  isOver = true;
  h.engine.end(taskId);
  await h.go(3_000);
  const lines = out.filter((line) => line !== away);
  expect(lines).toEqual([...Array.from({ length: written }, (_, i) => `${i}`), 'end']);
  return out.filter((line) => line === away);
}

test('a daemon that ends and comes back at once loses and doubles nothing, and is not named', async () => {
  const named = await throughout(async (h) => {
    // this one's desk stands beside the first one's, which is not heard any more
    h.nodeBus.setConnected(false);
    await h.go(500);
    h.nodeBus.setConnected(true);
  });
  expect(named).toEqual([]);
});

test('an answer that gets lost is asked for again', async () => {
  for (const ms of [0, 1, 2, 3]) {
    const named = await throughout(async (h) => {
      await h.go(37 + ms, 1);
      h.bus.setConnected(false);
      await settle();
      h.bus.setConnected(true);
    });
    expect(named).toEqual([]);
  }
});

test('a node that is away for long is named once, and its lines follow', async () => {
  const named = await throughout(async (h) => {
    h.nodeBus.setConnected(false);
    await h.go(60_000, 40);
    h.nodeBus.setConnected(true);
  });
  expect(named).toEqual([away]);
});

test('a node that is down is named at once, and asked again at once when it is back', async () => {
  const h = build();
  const stop = h.startAgent();
  h.engine.write(taskId, 1, 'one');
  const { out } = h.read(follow);
  await h.go(100);
  stop();
  h.state('down');
  await h.go(20);
  expect(out).toEqual(['one', away]);
  await h.go(60_000, 100);
  h.engine.write(taskId, 2, 'two');
  h.startAgent();
  h.state('ready');
  await h.go(250);
  expect(out).toEqual(['one', away, 'two']);
  h.state('down');
  await h.go(20);
  expect(out).toEqual(['one', away, 'two', away]);
});

test('who does not follow learns of a node that is away, without waiting for one that is known to be down', async () => {
  const h = build();
  h.engine.write(taskId, 1, 'one');
  const { out } = h.read(allLines);
  await h.go(2_000);
  expect(out).toEqual([]);
  await h.go(3_000);
  expect(out).toEqual([unavailable]);
  h.state('down');
  const again = h.read(allLines);
  await h.go(10);
  expect(again.out).toEqual([unavailable]);
});

test('a node that is only late answers in the end', async () => {
  const h = build();
  h.engine.write(taskId, 1, 'one');
  const { out } = h.read(allLines);
  await h.go(1_500);
  h.startAgent();
  await h.go(3_000);
  expect(out).toEqual(['one', 'end']);
});

test('a task that is gone is not waited for', async () => {
  const h = build();
  h.engine.write(taskId, 1, 'one');
  const { out } = h.read(follow);
  await h.go(10_000);
  h.forget();
  await h.go(10_000);
  expect(out).toEqual([away, 'end']);
});

test('many readers of one client ask less often, and for less', async () => {
  const h = build();
  h.startAgent();
  h.engine.write(taskId, 1, 'one');
  const reading = {
    task: aTask(),
    options: follow,
    share: () => 2_000,
    scope: new AbortController().signal,
  };
  const clock = h.clock;
  const logs = new TaskLogs({
    ask: (node, ask, timeoutMs) => h.bus.request(subjects.node(node, 'logs'), ask, timeoutMs),
    tell: () => undefined,
    view: () => undefined,
    clock,
    random: () => 0.5,
    newId: () => 'many',
  });
  const first = logs.read(reading).next();
  await h.go(50);
  expect(await first).toMatchObject({ done: false });
  expect(h.asks().at(-1)).toMatchObject({ bytes: 8_388, holdMs: 20_000 });
});

test('a node that answers at once with nothing does not keep the manager busy', async () => {
  const h = build();
  const answer = { ok: true, at: 1, frames: new Uint8Array(), end: false };
  h.nodeBus.subscribe(subjects.node(nodeId, 'logs'), ({ reply }) => reply?.(answer));
  h.read(follow);
  await h.go(10_000);
  expect(h.asks().length).toBeLessThan(60);
});

test.each([
  [
    'the engine’s own words',
    { ok: false, error: { code: 'Unknown', message: 'no reading' } },
    'Fault no reading',
  ],
  ['an answer of another form', { fine: true }, 'Fault the node sent no answer about a log'],
  [
    'frames that are none',
    { ok: true, at: 1, frames: new Uint8Array([9]), end: false },
    'Fault the node sent something that is no log',
  ],
])('%s end the reading', async (_, answer, expected) => {
  const h = build();
  h.nodeBus.subscribe(subjects.node(nodeId, 'logs'), ({ reply }) => reply?.(answer));
  const { out } = h.read(follow);
  await h.go(50);
  expect(out).toEqual([expected]);
});
