import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LogChunk } from '../../actors/agent/ports.ts';
import { daemonFault, Fault } from '../../domain/errors.ts';
import {
  aService,
  aTask,
  ask,
  FakeSwarm,
  type Front,
  nodeId,
  serviceId,
  spec,
  startFront,
  taskId,
  wall,
} from '../support/api.ts';

let swarm: FakeSwarm;
let front: Front;
beforeEach(async () => {
  swarm = new FakeSwarm();
  front = await startFront(swarm);
});
afterEach(() => front.stop());

/** An open stream and what has come of it. */
class Stream {
  text = '';
  readonly req: ClientRequest;
  readonly res: IncomingMessage;
  isEnded = false;
  #wake: () => void = () => undefined;

  private constructor(req: ClientRequest, res: IncomingMessage) {
    this.req = req;
    this.res = res;
    res.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
      this.#wake();
    });
    res.on('close', () => {
      this.isEnded = true;
      this.#wake();
    });
    res.on('error', () => undefined);
  }
  static async open(path: string): Promise<Stream> {
    const req = request({ socketPath: front.socket, path, agent: false }).end();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    req.on('error', () => undefined);
    return new Stream(req, res);
  }
  async until(isDone: (text: string) => boolean): Promise<string> {
    while (!isDone(this.text)) {
      if (this.isEnded) throw new Error(`ended with ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.text;
  }
  async end(): Promise<string> {
    while (!this.isEnded) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.text;
  }
}

const line = (text: string, stream: LogChunk['stream'] = 'stdout'): LogChunk => ({
  stream,
  data: Buffer.from(text),
});
const framed = (kind: number, text: string): string =>
  `${String.fromCharCode(kind, 0, 0, 0, 0, 0, text.length >> 8, text.length & 255)}${text}`;
/** As a client sees it that takes the bytes for UTF-8. */
const asText = (bytes: string): string => Buffer.from(bytes, 'latin1').toString();
const attrs = `com.docker.swarm.node.id=${nodeId},com.docker.swarm.service.id=${serviceId},com.docker.swarm.task.id=${taskId}`;
const incomplete = (reasons: string): string =>
  `Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream. some logs could not be retrieved for the following reasons: ${reasons}\n`;

test('logs come in frames, each stream in its own', async () => {
  const asked: unknown[] = [];
  swarm.logs = async function* (task, options) {
    asked.push(task.id, options);
    yield line('out\n');
    yield line('err\n', 'stderr');
  };
  const { status, headers, text } = await ask(
    front.socket,
    'GET',
    '/services/web/logs?stdout=1&stderr=1&tail=3&since=5.5',
  );
  expect([status, headers['content-type']]).toEqual([
    200,
    'application/vnd.docker.multiplexed-stream',
  ]);
  expect(text).toBe(framed(1, 'out\n') + framed(2, 'err\n'));
  expect(asked).toEqual([
    taskId,
    {
      stdout: true,
      stderr: true,
      follow: false,
      timestamps: false,
      details: false,
      tail: '3',
      since: '5.5',
    },
  ]);
  const old = await ask(front.socket, 'GET', '/v1.41/tasks/task1/logs?stderr=1');
  expect(old.headers['content-type']).toBe('application/vnd.docker.raw-stream');
  expect(old.text).toBe(framed(2, 'err\n'));
});

test('details carry node, service and task', async () => {
  swarm.logs = async function* () {
    yield line('2026-01-01T00:00:00Z tag=x hello\n');
  };
  const { text } = await ask(
    front.socket,
    'GET',
    '/services/web/logs?stdout=1&details=1&timestamps=1',
  );
  expect(text).toBe(asText(framed(1, `2026-01-01T00:00:00Z ${attrs},tag=x hello\n`)));
});

test('a terminal’s output comes without frames', async () => {
  const tty = spec({ TaskTemplate: { ContainerSpec: { Image: 'x', TTY: true } } });
  swarm.apply({ op: 'patch', kind: 'service', id: serviceId, fields: { spec: tty } });
  swarm.logs = async function* () {
    yield line('out\r\n');
    throw daemonFault('Unavailable', 'node gone');
  };
  const { headers, text } = await ask(front.socket, 'GET', '/services/web/logs?stdout=1');
  expect(headers['content-type']).toBe('application/vnd.docker.raw-stream');
  expect(text).toBe(`out\r\n${incomplete(`node ${nodeId} is not available`)}`);
});

test('what cannot be had is told at the end, once per reason', async () => {
  const other = { id: 'task2'.padEnd(25, '0'), slot: 2 };
  swarm.apply(
    { op: 'put', kind: 'task', object: aTask(other) },
    { op: 'put', kind: 'task', object: aTask({ id: 'task3'.padEnd(25, '0'), slot: 3 }) },
    { op: 'put', kind: 'task', object: aTask({ id: 'task4'.padEnd(25, '0'), slot: 4 }) },
  );
  swarm.logs = (task) => {
    if (task.slot === 1) throw daemonFault('Unavailable', 'x');
    return (async function* () {
      await Promise.resolve();
      if (task.slot === 2) throw daemonFault('Unavailable', 'x');
      if (task.slot === 3) throw new Fault('Unknown', 'gone', 'manager', 'no-container');
      yield line('fine\n');
      throw new Error('configured logging driver does not support reading');
    })();
  };
  const { text } = await ask(front.socket, 'GET', '/services/web/logs?stdout=1');
  expect(text).toBe(
    asText(
      framed(1, 'fine\n') +
        framed(
          3,
          incomplete(
            `node ${nodeId} is not available, task ${'task4'.padEnd(25, '0')}: configured logging driver does not support reading`,
          ),
        ),
    ),
  );
});

test('a node that is away while its tasks are followed is named once, in a line among the others', async () => {
  swarm.apply({ op: 'put', kind: 'task', object: aTask({ id: 'task2'.padEnd(25, '0'), slot: 2 }) });
  const goOn: (() => void)[] = [];
  swarm.logs = async function* () {
    yield { away: nodeId };
    await new Promise<void>((resolve) => goOn.push(resolve));
    yield line('back\n');
    yield { away: nodeId };
  };
  const remark = framed(
    2,
    `natswarm: node ${nodeId} is not available; its lines follow when it is back\n`,
  );
  const stream = await Stream.open('/services/web/logs?stdout=1&stderr=1&follow=1');
  await stream.until((text) => text === remark);
  while (goOn.length < 2) await nextTurn();
  goOn[0]?.();
  await stream.until((text) => text === remark + framed(1, 'back\n') + remark);
  stream.req.destroy();
});

test('tasks that have nothing to tell are not asked', async () => {
  const asked: string[] = [];
  swarm.logs = async function* (task) {
    asked.push(task.id);
    yield line('x\n');
  };
  const status = { at: wall, message: '' } as const;
  swarm.apply(
    { op: 'patch', kind: 'task', id: taskId, fields: { status: { ...status, state: 'rejected' } } },
    {
      op: 'put',
      kind: 'task',
      object: aTask({ id: 'p', status: { ...status, state: 'pending' } }),
    },
    {
      op: 'put',
      kind: 'task',
      object: aTask({
        id: 'f',
        status: { ...status, state: 'failed', container: { id: 'c', pid: 0, exitCode: 1 } },
      }),
    },
    {
      op: 'put',
      kind: 'task',
      object: aTask({ id: 'n', nodeId: '', status: { ...status, state: 'new' } }),
    },
  );
  await ask(front.socket, 'GET', '/services/web/logs?stdout=1');
  expect(asked).toEqual(['f']);
  const unscheduled = await ask(front.socket, 'GET', '/tasks/n/logs?stdout=1');
  expect(unscheduled.text).toBe(asText(framed(3, incomplete('task n has not been scheduled'))));
});

test('a followed service’s new tasks are taken in; its removal ends the stream', async () => {
  const ends = new Map<string, () => void>();
  const tails: string[] = [];
  swarm.logs = async function* (task, { tail }) {
    tails.push(tail);
    yield line(`${task.slot}\n`);
    await new Promise<void>((resolve) => ends.set(task.id, resolve));
  };
  const stream = await Stream.open('/services/web/logs?stdout=1&follow=1&tail=0');
  await stream.until((text) => text === framed(1, '1\n'));
  const second = 'task2'.padEnd(25, '0');
  const pending = { state: 'pending', at: wall, message: '' } as const;
  swarm.apply({ op: 'put', kind: 'task', object: aTask({ id: second, slot: 2, status: pending }) });
  swarm.apply({ op: 'put', kind: 'task', object: aTask({ id: 'x', serviceId: 'other', slot: 9 }) });
  swarm.apply({ op: 'patch', kind: 'task', id: second, fields: { status: aTask().status } });
  await stream.until((text) => text === framed(1, '1\n') + framed(1, '2\n'));
  swarm.apply({ op: 'delete', kind: 'service', id: serviceId });
  for (const end of ends.values()) end();
  await stream.end();
  expect(tails).toEqual(['0', 'all']);
  expect(swarm.watchers).toBe(1);
});

test('a followed task ends its stream', async () => {
  swarm.logs = async function* () {
    yield line('last\n');
  };
  const stream = await Stream.open('/tasks/task1/logs?stdout=1&follow=1');
  await stream.until((text) => text.endsWith('last\n'));
  swarm.apply({
    op: 'patch',
    kind: 'task',
    id: taskId,
    fields: { status: { state: 'complete', at: wall, message: 'finished' } },
  });
  expect(await stream.end()).toBe(framed(1, 'last\n'));
});

test('a client that hangs up ends all reading', async () => {
  const aborted = new Promise<void>((resolve) => {
    swarm.logs = async function* (_task, _options, scope) {
      yield line('x\n');
      await new Promise<void>((end) => scope.addEventListener('abort', () => end()));
      resolve();
    };
  });
  const stream = await Stream.open('/services/web/logs?stdout=1&follow=1');
  await stream.until((text) => text !== '');
  stream.req.destroy();
  await aborted;
  expect(swarm.watchers).toBe(1);
});

test('a slow client holds the reading back', async () => {
  let sent = 0;
  swarm.logs = async function* () {
    for (; sent < 10_000; sent++) yield line('x'.repeat(64 * 1024));
  };
  const req = request({ socketPath: front.socket, path: '/services/web/logs?stdout=1' }).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.pause();
  for (let last = -1; last !== sent; ) {
    last = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(sent).toBeLessThan(200);
  req.on('error', () => undefined).destroy();
});

// ------------------------------------------------------------------------------------ events

interface Events {
  readonly server: Server;
  readonly asked: string[];
  readonly open: ServerResponse[];
  stop(): Promise<void>;
}

/** An engine that only has events: `past` for finished spans of time, then open streams. */
async function eventEngine(past: readonly string[] = []): Promise<Events> {
  const asked: string[] = [];
  const open: ServerResponse[] = [];
  const server = createServer((req, res) => {
    if (!req.url?.includes('/events')) {
      res.end('{}');
      return;
    }
    asked.push(req.url);
    res.writeHead(200).flushHeaders();
    if (req.url.includes('until=')) res.end(past.map((text) => `${text}\n`).join(''));
    else open.push(res);
  });
  await new Promise<void>((resolve) => server.listen(join(front.dir, 'engine.sock'), resolve));
  return {
    server,
    asked,
    open,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
const local = (ms: number, action = 'start'): string =>
  `{"Type":"container","Action":"${action}","scope":"local","time":${Math.floor(ms / 1000)},"timeNano":${ms}000000}`;
const scoped = (scope: string): string => encodeURIComponent(JSON.stringify({ scope: [scope] }));
const actions = (text: string): string[] =>
  text
    .split('\n')
    .filter((entry) => entry !== '')
    .map((entry) => {
      const { Type, Action } = JSON.parse(entry) as { Type: string; Action: string };
      return `${Type} ${Action}`;
    });
const touch = (): void =>
  swarm.apply({ op: 'put', kind: 'service', object: aService({ specVersion: 2 }) });

test('the past is merged by time', async () => {
  const engine = await eventEngine([local(wall - 5), local(wall + 5, 'die')]);
  touch();
  const { headers, text } = await ask(
    front.socket,
    'GET',
    `/v1.51/events?since=1&until=${wall / 1000 - 0.001}`,
  );
  expect(headers['content-type']).toBe('application/json');
  expect(actions(text)).toEqual(['container start', 'container die']);
  const all = await ask(front.socket, 'GET', `/v1.51/events?since=1&until=${wall / 1000}`);
  expect(all.text).toContain('"scope":"swarm"');
  await engine.stop();
});

test('events of both come as they happen', async () => {
  const engine = await eventEngine();
  const stream = await Stream.open('/events');
  while (engine.open.length === 0) await once(engine.server, 'request');
  engine.open[0]?.write(`${local(wall + 10)}\n`.slice(0, 20));
  touch();
  await stream.until((text) => text.includes('service'));
  engine.open[0]?.write(`${local(wall + 10)}\n`.slice(20));
  await stream.until((text) => text.includes('container'));
  expect(actions(stream.text)).toEqual(['service update', 'container start']);
  expect(engine.asked[0]).toBe(`/events?since=${Math.floor(wall / 1000)}.120000001`);
  stream.req.destroy();
  await engine.stop();
});

test('a lost engine is found again where it stopped; the swarm’s events go on meanwhile', async () => {
  let engine = await eventEngine();
  const stream = await Stream.open('/events');
  while (engine.open.length === 0) await once(engine.server, 'request');
  engine.open[0]?.write(`${local(wall + 10)}\n`);
  await stream.until((text) => text.includes('start'));
  await engine.stop();
  touch();
  await stream.until((text) => text.includes('service'));
  engine = await eventEngine();
  while (engine.open.length === 0) await once(engine.server, 'request');
  expect(engine.asked).toEqual([`/events?since=${Math.floor(wall / 1000)}.130000001`]);
  engine.open[0]?.write(`${local(wall + 20, 'die')}\n`);
  await stream.until((text) => text.includes('die'));
  stream.req.destroy();
  await engine.stop();
});

test('scopes choose whose events come', async () => {
  const engine = await eventEngine([local(wall - 1)]);
  touch();
  const until = (wall + 1) / 1000;
  const swarmOnly = await ask(
    front.socket,
    'GET',
    `/events?since=1&until=${until}&filters=${scoped('swarm')}`,
  );
  expect(actions(swarmOnly.text)).toEqual(['service update']);
  expect(engine.asked).toEqual([]);
  const localOnly = await ask(
    front.socket,
    'GET',
    `/events?since=1&until=${(wall - 1) / 1000}&filters=${scoped('local')}`,
  );
  expect(actions(localOnly.text)).toEqual(['container start']);
  expect(engine.asked[0]).toContain('filters=');
  await engine.stop();
});

test('a stream ends at the time asked for', async () => {
  const stream = await Stream.open(`/events?until=${(wall + 100) / 1000}`);
  touch();
  await stream.end();
  expect(actions(stream.text)).toEqual(['service update']);
});

test('a client that never reads is cut off', async () => {
  const req = request({
    socketPath: front.socket,
    path: `/events?filters=${scoped('swarm')}`,
  }).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.pause();
  const cut = new Promise<void>((resolve) => res.on('close', resolve));
  req.on('error', () => undefined);
  res.on('error', () => undefined);
  for (let i = 0; i < 20_000; i++) touch();
  res.resume();
  await cut;
  expect(res.complete).toBe(false);
});
