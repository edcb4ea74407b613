// What is as large as images goes through the front as it is, on connections that end with it.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { ask, FakeSwarm, type Front, raw, startFront } from '../support/api.ts';
import { FakeEngine } from '../support/http-engine.ts';

let engine: FakeEngine;
let front: Front;
let swarm: FakeSwarm;

beforeEach(async () => {
  swarm = new FakeSwarm();
  front = await startFront(swarm);
  engine = new FakeEngine();
  await engine.listen(join(front.dir, 'engine.sock'));
});
afterEach(async () => {
  await front.stop();
  await engine.stop();
});

const call = (method: string, path: string) => ask(front.socket, method, path);

const bulk = Array.from({ length: 400 }, (_, i) => Buffer.alloc(50_021, i));

test.each([
  '/images/get?names=a',
  '/v1.48/images/a/b:1/get',
  '/containers/x/export',
  '/containers/x/archive?path=a',
])('the answer to GET %s goes through as it is, at the pace of its reader', async (path) => {
  let sent = 0;
  const send = async (res: ServerResponse): Promise<void> => {
    res.writeHead(200, { 'Content-Type': 'application/x-tar', 'X-Docker': 'a' });
    for (const piece of bulk) {
      if (!res.write(piece)) await once(res, 'drain');
      sent += 1;
    }
    res.end();
  };
  engine.handle = (_req, res) => void send(res);
  const req = request({ socketPath: front.socket, path, agent: false }).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  for (let last = -1; last !== sent; ) {
    last = sent;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(sent).toBeLessThan(100);
  const chunks: Buffer[] = [];
  for await (const chunk of res as AsyncIterable<Buffer>) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(Buffer.concat(bulk))).toBe(true);
  expect(res.headers).toMatchObject({
    'x-docker': 'a',
    'content-type': 'application/x-tar',
    connection: 'close',
  });
  expect(engine.seen).toEqual([`GET ${path}`]);
  while (engine.sockets.size > 0) await once([...engine.sockets][0] as Socket, 'close');
});

test('a download that is cut off is seen to be', async () => {
  engine.handle = (_req, res) => {
    res.writeHead(200).write('half', () => setImmediate(() => res.destroy()));
  };
  await expect(call('GET', '/images/x/get')).rejects.toThrow('aborted');
});

test('a download that is refused ends its connection, and nothing rides along', async () => {
  engine.handle = (_req, res) => res.writeHead(404).end('no such image');
  const text = await raw(
    front.socket,
    'GET /images/x/get HTTP/1.1\r\nHost: x\r\n\r\nPOST /swarm/init HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
  );
  expect(text).toMatch(
    /^HTTP\/1\.1 404 Not Found\r\n[\s\S]*Connection: close\r\n\r\n[\s\S]*no such image/,
  );
  expect(text.match(/HTTP/g)).toHaveLength(1);
  expect(engine.seen).toEqual(['GET /images/x/get']);
  expect(swarm.inits).toEqual([]);
});

test('a download without an engine, or with an answer that is none, is 503', async () => {
  engine.handle = (req) => req.socket.end('HTTP/9.9 what\r\n\r\n');
  expect((await call('GET', '/images/x/get')).status).toBe(503);
  engine.handle = (req) => req.socket.end('HTTP/1.1 200 OK\r\nhalf: a he');
  expect((await call('GET', '/images/x/get')).status).toBe(503);
  await engine.stop();
  expect((await call('GET', '/images/x/get')).status).toBe(503);
});

test('a client that is gone ends its download at the engine', async () => {
  const gone = new Promise<void>((resolve) => {
    engine.handle = (_req, res) => {
      res.writeHead(200).write('first');
      res.on('close', resolve);
    };
  });
  const req = request({ socketPath: front.socket, path: '/containers/x/export' }).end();
  req.on('error', () => undefined);
  await once(req, 'response');
  req.destroy();
  await gone;
});
