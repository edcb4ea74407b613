// Clients of the API that ask for much and read nothing. A real socket, a swarm in memory.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { limits } from '../../domain/limits.ts';
import { until } from '../support/engine.ts';
import { aTask, ask, FakeSwarm, type Front, startFront } from '../support/api.ts';

let swarm: FakeSwarm;
let front: Front;
const open: ClientRequest[] = [];
beforeEach(async () => {
  swarm = new FakeSwarm();
  front = await startFront(swarm);
});
afterEach(async () => {
  for (const one of open.splice(0)) one.destroy();
  await front.stop();
});

async function unread(path: string): Promise<IncomingMessage> {
  const req = request({ socketPath: front.socket, path, agent: false }).end();
  open.push(req.on('error', () => undefined));
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return res.on('error', () => undefined).pause();
}
const swarmOnly = `/events?filters=${encodeURIComponent('{"scope":["swarm"]}')}`;
const told = (event: string) => front.logged.filter((one) => one.event === event);

test('as many streams as there may be are open; one more is refused until one ends', async () => {
  for (let i = 0; i < limits.apiStreamsMax - 1; i++) await unread(swarmOnly);
  expect(told('api_streams_full')).toEqual([]);
  expect((await unread(swarmOnly)).statusCode).toBe(200);
  expect(told('api_streams_full')).toHaveLength(1);
  for (const path of [swarmOnly, '/services/web/logs?stdout=1']) {
    const { status, text } = await ask(front.socket, 'GET', path);
    expect([status, text]).toEqual([429, expect.stringContaining('streams are open already')]);
  }
  expect((await ask(front.socket, 'GET', '/services')).status).toBe(200);
  open[0]?.destroy();
  const isTaken = async () => (await unread(swarmOnly)).statusCode === 200;
  await until(isTaken, 5_000, 'the place of the one that ended');
});

test('with the logs of very many tasks being read no more are', async () => {
  const tasks = Array.from({ length: limits.logTasksReadMax }, (_, i) => aTask({ id: `t${i}` }));
  swarm.apply(...tasks.map((object) => ({ op: 'put', kind: 'task', object }) as const));
  const waiting = new Set<() => void>();
  swarm.logs = async function* (_task, _options, scope) {
    yield { stream: 'stdout', data: Buffer.from('x\n') };
    await new Promise<void>((resolve) => {
      waiting.add(resolve);
      scope.addEventListener('abort', () => resolve());
    });
  };
  const path = '/services/web/logs?stdout=1&follow=1';
  await unread(path);
  await until(() => waiting.size === limits.logTasksReadMax, 10_000, 'all tasks');
  expect(await ask(front.socket, 'GET', path)).toMatchObject({ status: 429 });
  open[0]?.destroy();
  const isTaken = async () => (await unread(path)).statusCode === 200;
  await until(isTaken, 5_000, 'room');
});

test('of clients that do not read, the one that is furthest behind is cut off when all are too far', async () => {
  let chunk: number = limits.streamBufferBytes;
  let begun = 0;
  swarm.logs = async function* () {
    begun += 1;
    const data = Buffer.alloc(chunk);
    for (let i = 0; i < 50; i++) yield { stream: 'stdout', data };
  };
  const path = '/services/web/logs?stdout=1';
  const slow = await unread(path);
  await until(() => begun === 1, 5_000, 'the first one to be written to');
  chunk = limits.apiUnreadBytesMax / 2;
  const cut = await unread(path);
  expect(told('client_cut_off')).toEqual([]);
  await unread(path);
  await until(() => told('client_cut_off').length === 1, 5_000, 'one to be cut off');
  await new Promise((resolve) => cut.on('close', resolve).resume());
  expect(cut.complete).toBe(false);
  for (let i = 0; i < 10; i++) {
    await unread(path);
    await until(() => told('client_cut_off').length === i + 2, 5_000, 'the next one to go');
  }
  let size = 0;
  slow.on('data', (data: Buffer) => (size += data.length)).resume();
  await once(slow, 'end');
  expect(size).toBe(50 * (limits.streamBufferBytes + 8));
});

test('requests that are sent ahead of their answers are bounded', async () => {
  const get = 'GET /services HTTP/1.1\r\nHost: x\r\n\r\n';
  const send = (count: number): Promise<number> =>
    new Promise((resolve) => {
      const socket = connect(front.socket);
      let text = '';
      const answers = (): number => text.split('HTTP/1.1 200').length - 1;
      socket.on('data', (data) => {
        text += data.toString();
        if (answers() === count) socket.destroy();
      });
      socket.on('error', () => undefined).on('close', () => resolve(answers()));
      socket.write(get.repeat(count));
    });
  expect(await send(limits.pipelinedRequestsMax)).toBe(limits.pipelinedRequestsMax);
  expect(await send(limits.pipelinedRequestsMax + 1)).toBe(0);
  expect(await send(100_000)).toBe(0);
});
