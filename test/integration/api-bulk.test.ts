// What is as large as images goes through the front as it is, on connections that end with it.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { ask, FakeSwarm, type Front, raw, startFront } from '../support/api.ts';
import { until } from '../support/engine.ts';
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
const whole = Buffer.concat(bulk);

/** Sends the bulk at the pace of its reader, and counts. */
class Sender {
  #sent = 0;

  async send(to: Writable): Promise<void> {
    for (const piece of bulk) {
      if (!to.write(piece)) await once(to, 'drain');
      this.#sent += 1;
    }
    to.end();
  }

  /** Nobody reads: it comes to a standstill before much of it has gone. */
  async standsStill(): Promise<void> {
    for (let last = -1; last !== this.#sent; ) {
      last = this.#sent;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(this.#sent).toBeLessThan(100);
  }
}

test.each([
  '/images/get?names=a',
  '/v1.48/images/a/b:1/get',
  '/containers/x/export',
  '/containers/x/archive?path=a',
])('the answer to GET %s goes through as it is, at the pace of its reader', async (path) => {
  const sender = new Sender();
  engine.handle = (_req, res) =>
    void sender.send(res.writeHead(200, { 'Content-Type': 'application/x-tar', 'X-Docker': 'a' }));
  const req = request({ socketPath: front.socket, path, agent: false }).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  await sender.standsStill();
  expect(Buffer.concat(await res.toArray()).equals(whole)).toBe(true);
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

test.each([
  ['POST', '/images/load?quiet=1', undefined],
  ['POST', '/v1.48/build?t=a', whole.length],
  ['PUT', '/containers/x/archive?path=a', undefined],
  ['POST', '/images/create?fromSrc=-', whole.length],
])(
  'the body of %s %s goes through as it is, at the pace of the engine',
  async (method, path, length) => {
    const begun = new Promise<IncomingMessage>((resolve) => {
      engine.handle = (req, res) => {
        resolve(req);
        req.on('end', () => res.writeHead(200, { 'X-Docker': 'a' }).end('done'));
      };
    });
    const headers = length === undefined ? {} : { 'Content-Length': length };
    const req = request({ socketPath: front.socket, method, path, headers, agent: false });
    const answered = once(req, 'response');
    const sender = new Sender();
    const sending = sender.send(req);
    const arriving = await begun;
    await sender.standsStill();
    expect(Buffer.concat(await arriving.toArray()).equals(whole)).toBe(true);
    await sending;
    const [res] = (await answered) as [IncomingMessage];
    expect(res.headers).toMatchObject({ 'x-docker': 'a', connection: 'close' });
    expect(Buffer.concat(await res.toArray()).toString()).toBe('done');
    expect(engine.seen).toEqual([`${method} ${path}`]);
    while (engine.sockets.size > 0) await once([...engine.sockets][0] as Socket, 'close');
  },
);

const load = (fields: string): string =>
  `POST /images/load HTTP/1.1\r\nHost: x\r\n${fields}\r\n\r\n`;
const second = 'POST /swarm/init HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';

test.each([
  ['Content-Length: 3', 'abc'],
  ['Transfer-Encoding: chunked', '3;x=y\r\nabc\r\n0\r\nX-Up: 5\r\n\r\n'],
])('what follows a body told with %s goes nowhere', async (field, body) => {
  let got = '';
  engine.handle = (req, res) => {
    req.on('data', (data: Buffer) => (got += data.toString()));
    req.on('end', () => res.end(`got ${got}`));
  };
  for (const pieces of [[`${load(field)}${body}${second}`], [load(field), body, second]]) {
    got = '';
    const text = await raw(front.socket, ...pieces);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*got abc/);
    expect(text.match(/HTTP/g)).toHaveLength(1);
  }
  expect(engine.seen).toEqual(['POST /images/load', 'POST /images/load']);
  expect(swarm.inits).toEqual([]);
});

test('a body that is none is refused, and its request ends at the engine', async () => {
  const malformed = /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*malformed chunked encoding/;
  const head = load('Transfer-Encoding: chunked');
  expect(await raw(front.socket, `${head}3\r\nabcd\r\n`)).toMatch(malformed);
  const gone = new Promise<void>((resolve) => {
    engine.handle = (req) =>
      req
        .on('close', () => resolve())
        .on('error', () => undefined)
        .resume();
  });
  const socket = connect(front.socket);
  socket.write(`${head}3\r\nabc\r\n`);
  await until(() => engine.seen.length > 0, 1_000, 'the engine to be asked');
  socket.write('no size\r\n');
  expect(Buffer.concat(await socket.toArray()).toString()).toMatch(malformed);
  await gone;
});

test.each([
  'Content-Length: 3\r\nTransfer-Encoding: chunked',
  'Content-Length: 3\r\nContent-Length: 4',
])('a body whose length is told in two ways reaches nobody: %j', async (fields) => {
  expect(await raw(front.socket, load(`Connection: close\r\n${fields}`), '0\r\n\r\n')).toMatch(
    /^HTTP\/1\.1 400 /,
  );
  expect(engine.seen).toEqual([]);
});

test('an answer before the end of the body is heard', async () => {
  engine.handle = (_req, res) => res.writeHead(500).end('no space');
  const req = request({
    socketPath: front.socket,
    method: 'POST',
    path: '/images/load',
    agent: false,
  });
  req.on('error', () => undefined);
  for (const piece of bulk.slice(0, 50)) req.write(piece);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect(res.statusCode).toBe(500);
  expect(Buffer.concat(await res.toArray()).toString()).toBe('no space');
  req.destroy();
});

test('a client that is gone ends its upload at the engine', async () => {
  const gone = new Promise<void>((resolve) => {
    engine.handle = (req) =>
      req
        .on('close', () => resolve())
        .on('error', () => undefined)
        .resume();
  });
  const req = request({
    socketPath: front.socket,
    method: 'POST',
    path: '/images/load',
    agent: false,
  });
  req.on('error', () => undefined);
  req.write('half');
  await until(() => engine.seen.length > 0, 1_000, 'the engine to be asked');
  req.destroy();
  await gone;
});
