import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { ask, FakeSwarm, type Front, nodeId, raw, startFront } from '../support/api.ts';
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

const call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  ask(front.socket, method, path, body, headers);

/** Resolves once `text` has come. */
async function until(socket: Socket, text: string): Promise<string> {
  let seen = '';
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    seen += chunk.toString();
    if (seen.includes(text)) return seen;
  }
}

test('method, path, headers and body reach the engine, its answer the client', async () => {
  engine.handle = (req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString()));
    req.on('end', () => {
      res.writeHead(418, 'Teapot', { 'X-A': ['1', '2'], 'Api-Version': '9' });
      res.end(JSON.stringify({ headers: req.headers, body }));
    });
  };
  const { status, headers, text } = await call(
    'POST',
    '/v1.51/images/a%2Fb/tag?x=%20',
    { a: 1 },
    { 'X-Registry-Auth': 'abc', Connection: 'close, X-Hop', 'X-Hop': '1' },
  );
  expect([status, headers['x-a'], headers['api-version']]).toEqual([418, '1, 2', '9']);
  expect(JSON.parse(text)).toEqual({
    headers: {
      host: 'docker',
      connection: 'keep-alive',
      'content-type': 'application/json',
      'content-length': '7',
      'x-registry-auth': 'abc',
    },
    body: '{"a":1}',
  });
  expect(engine.seen).toEqual(['HEAD /_ping', 'POST /v1.51/images/a%2Fb/tag?x=%20'].slice(-1));
});

test('streams go both ways at the same time', async () => {
  engine.handle = (req, res) => {
    res.writeHead(200);
    req.on('data', (chunk: Buffer) => res.write(`got ${chunk.toString()}`));
    req.on('end', () => res.end('end'));
  };
  const req = request({ socketPath: front.socket, method: 'POST', path: '/build' });
  req.write('one');
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const chunks: string[] = [];
  for await (const chunk of res as AsyncIterable<Buffer>) {
    chunks.push(chunk.toString());
    if (chunks.length === 1) req.end('two');
  }
  expect(chunks.join('')).toBe('got onegot twoend');
});

test('the head of an answer comes before its first byte', async () => {
  let answer: ServerResponse | undefined;
  engine.handle = (_req, res) => {
    answer = res;
    res.writeHead(200, { 'X-Head': '1' });
    res.flushHeaders();
  };
  const req = request({ socketPath: front.socket, path: '/containers/x/logs?follow=1' }).end();
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect(res.headers['x-head']).toBe('1');
  answer?.end('later');
  expect(await new Response(res as never).text()).toBe('later');
});

test('trailers go both ways', async () => {
  let trailer: unknown;
  engine.handle = (req, res) => {
    req.resume().on('end', () => {
      trailer = req.trailers;
      res.writeHead(200, { Trailer: 'X-Sum' });
      res.addTrailers({ 'X-Sum': '7' });
      res.end('body');
    });
  };
  const text = await raw(
    front.socket,
    'POST /images/load HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Up\r\n\r\n',
    '3\r\nabc\r\n0\r\nX-Up: 5\r\n\r\n',
  );
  expect(trailer).toEqual({ 'x-up': '5' });
  expect(text).toMatch(/X-Sum: 7\r\n\r\n$/);
});

test('a client that waits for 100 Continue gets it from the engine', async () => {
  engine.handle = (req, res) => {
    res.writeContinue();
    req.resume().on('end', () => res.end('done'));
  };
  const headers = { Expect: '100-continue', 'Content-Length': '3' };
  const req = request({ socketPath: front.socket, method: 'PUT', path: '/x', headers });
  req.flushHeaders();
  await once(req, 'continue');
  req.end('abc');
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  expect(res.resume().statusCode).toBe(200);
  await once(res, 'end');
  expect(engine.seen.at(-1)).toBe('PUT /x expects');
});

test('an engine that refuses without 100 Continue is heard', async () => {
  engine.handle = (_req, res) => res.writeHead(403).end('no');
  const text = await raw(
    front.socket,
    'PUT /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n',
  );
  expect(text).toMatch(/^HTTP\/1\.1 403 /);
});

test('a client that hangs up ends its request at the engine', async () => {
  const gone = new Promise<void>((resolve) => {
    engine.handle = (_req, res) => {
      res.writeHead(200).flushHeaders();
      res.on('close', resolve);
    };
  });
  const req = request({ socketPath: front.socket, path: '/x' }).end();
  req.on('error', () => undefined);
  await once(req, 'response');
  req.destroy();
  await gone;
});

test('an engine that dies cuts its answer off', async () => {
  engine.handle = (_req, res) => {
    res.writeHead(200).write('half');
    setImmediate(() => res.destroy());
  };
  await expect(call('GET', '/x')).rejects.toThrow('aborted');
});

test.each([
  ['both lengths', 'Content-Length: 5\r\nTransfer-Encoding: chunked'],
  ['two lengths', 'Content-Length: 5\r\nContent-Length: 6'],
  ['another coding', 'Transfer-Encoding: gzip, chunked'],
])('a body with %s reaches nobody', async (_what, header) => {
  const text = await raw(
    front.socket,
    `POST /containers/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${header}\r\n\r\n0\r\n\r\n`,
  );
  expect(text).toMatch(/^HTTP\/1\.1 400 /);
  expect(engine.seen).toEqual([]);
});

test.each([
  '/%73warm/init',
  '/v1.51/%73ervices/create',
  '//swarm/init',
  '/containers/../swarm/init',
  '/containers/%2e%2e/swarm/init',
  '/./swarm/leave',
  'http://x/swarm/init',
  '/swarm/nope',
  '/swarm/',
])('%s never reaches the engine', async (path) => {
  const text = await raw(
    front.socket,
    `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  );
  expect(text).toMatch(/^HTTP\/1\.1 (200|201|301|404|400|500) /);
  expect(engine.seen).toEqual([]);
});

test('/info is the engine’s with the swarm of natswarm', async () => {
  engine.handle = (req, res) => {
    req.resume();
    res.end(JSON.stringify({ ID: 'e', Swarm: { LocalNodeState: 'inactive' }, Warnings: null }));
  };
  const { text } = await call('GET', '/v1.51/info');
  expect(JSON.parse(text)).toMatchObject({
    ID: 'e',
    Swarm: { LocalNodeState: 'active', NodeID: nodeId, Nodes: 1, Managers: 1 },
    Warnings: null,
  });
  expect(engine.seen).toContain('GET /v1.51/info');
});

test('a ping presents the engine, and limits the versions to what both speak', async () => {
  engine.handle = (req, res) => {
    req.resume();
    res.writeHead(200, {
      'Api-Version': '1.47',
      Server: 'Docker/27.0.0 (linux)',
      'Builder-Version': '1',
    });
    res.end(req.url === '/version' ? '{"MinAPIVersion":"1.30"}' : 'OK');
  };
  const { headers } = await call('GET', '/_ping');
  expect(headers).toMatchObject({
    'api-version': '1.47',
    server: 'Docker/27.0.0 (linux)',
    'builder-version': '1',
    swarm: 'active/manager',
    'cache-control': 'no-cache, no-store, must-revalidate',
  });
  expect((await call('GET', '/v1.48/services')).text).toMatch(
    /Maximum supported API version is 1.47/,
  );
  expect((await call('GET', '/v1.29/services')).text).toMatch(
    /Minimum supported API version is 1.30/,
  );
});

test('networks of the engine are made as they were asked for', async () => {
  engine.handle = (req, res) => req.pipe(res.writeHead(201));
  const body = { Name: 'x', Driver: 'bridge' };
  const { status, text } = await call('POST', '/networks/create', body);
  expect([status, text]).toEqual([201, JSON.stringify(body)]);
  swarm.state = 'inactive';
  const overlay = { Name: 'x', Driver: 'overlay' };
  expect((await call('POST', '/networks/create', overlay)).text).toBe(JSON.stringify(overlay));
});

test('volumes of the engine are made as they were asked for', async () => {
  engine.handle = (req, res) => req.pipe(res.writeHead(201));
  for (const body of [{ Name: 'x' }, { Name: 'x', ClusterVolumeSpec: null }])
    expect((await call('POST', '/volumes/create', body)).text).toBe(JSON.stringify(body));
  swarm.state = 'inactive';
  const cluster = { Name: 'x', ClusterVolumeSpec: {} };
  expect((await call('POST', '/volumes/create', cluster)).text).toBe(JSON.stringify(cluster));
});

const upgradeHead = (path: string, more = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n${more}\r\n`;

test('an upgraded connection is handed on, each direction ending for itself', async () => {
  engine.takeUpgrades((req, socket, head) => {
    let body = head.toString();
    socket.write(
      'HTTP/1.1 101 UPGRADED\r\nContent-Type: x/y\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhi;',
    );
    socket.on('data', (chunk) => (body += chunk.toString()));
    socket.on('end', () => socket.end(`${String(req.headers['content-length'])} ${body}`));
  });
  const socket = connect({ path: front.socket, allowHalfOpen: true });
  socket.write(
    upgradeHead('/v1.51/exec/abc/start', 'Content-Type: application/json\r\nContent-Length: 2\r\n'),
  );
  socket.write('{}');
  const head = await until(socket, 'hi;');
  expect(head).toMatch(/^HTTP\/1\.1 101 UPGRADED\r\n/);
  expect(head).toMatch(/Content-Type: x\/y\r\n/);
  expect(head).toMatch(/Upgrade: tcp\r\n/);
  socket.end('stdin');
  expect(await until(socket, 'stdin')).toBe('2 {}stdin');
  socket.destroy();
});

test('without Upgrade the engine’s raw answer is handed on too', async () => {
  engine.handle = (_req, res) => {
    const socket = res.socket as Socket;
    socket.removeAllListeners('data').removeAllListeners('end');
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n');
    res.detachSocket(socket);
    socket.write('out;');
  };
  const socket = connect({ path: front.socket, allowHalfOpen: true });
  socket.write('POST /containers/x/attach?stdin=1 HTTP/1.1\r\nHost: x\r\n\r\n');
  const head = await until(socket, 'out;');
  expect(head).toBe(
    'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nout;',
  );
  const [engineSide] = [...engine.sockets].slice(-1);
  socket.write('raw bytes that are no HTTP\n');
  await until(engineSide as Socket, 'raw bytes that are no HTTP\n');
  engineSide?.end('more');
  expect(await until(socket, 'more')).toBe('more');
  socket.destroy();
});

test('an answer that is no upgrade ends the connection, and nothing rides along', async () => {
  engine.handle = (req, res) => {
    req.resume();
    res.writeHead(409, { 'Content-Type': 'application/json' });
    res.end('{"message":"container is not running"}\n');
  };
  const ride = 'POST /swarm/init HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
  const text = await raw(
    front.socket,
    upgradeHead('/containers/x/attach', 'Content-Length: 2\r\n'),
    '{}',
    ride,
  );
  expect(text).toMatch(/^HTTP\/1\.1 409 Conflict\r\n/);
  expect(text).toMatch(/Connection: close\r\n/);
  expect(text).toMatch(/container is not running"}\n$/);
  expect(engine.seen).toEqual(['POST /containers/x/attach']);
});

test('a chunked body before an upgrade is read chunk by chunk', async () => {
  engine.handle = (req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString()));
    req.on('end', () => res.end(body));
  };
  const text = await raw(
    front.socket,
    upgradeHead('/exec/abc/start', 'Transfer-Encoding: chunked\r\n'),
    '3\r\na',
    'bc\r\n0\r\n\r\nGET /never HTTP/1.1\r\n\r\n',
  );
  expect(text).toMatch(/\r\n\r\nabc$/);
  expect(engine.seen).toEqual(['POST /exec/abc/start']);
  expect(
    await raw(
      front.socket,
      upgradeHead('/exec/abc/start', 'Transfer-Encoding: chunked\r\n'),
      'zz\r\n',
    ),
  ).toMatch(/^HTTP\/1\.1 400 .*malformed chunked encoding/s);
});

test('an upgrade on a path of the swarm is an ordinary request', async () => {
  const text = await raw(
    front.socket,
    'GET /services HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n',
  );
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(engine.seen).toEqual([]);
});

test('a client that is gone ends its hijacked connection at the engine', async () => {
  const ended = new Promise<void>((resolve) =>
    engine.takeUpgrades((_req, socket) => {
      socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
      const writing = setInterval(() => socket.write('x'), 5);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearInterval(writing);
        resolve();
      });
    }),
  );
  const socket = connect(front.socket);
  socket.write(upgradeHead('/containers/x/attach'));
  await until(socket, '101');
  socket.destroy();
  await ended;
});

test('questions share a connection to the engine, what may not be repeated has one of its own', async () => {
  const connections: Socket[] = [];
  engine.onConnection = (socket) => connections.push(socket);
  for (let i = 0; i < 3; i++) expect((await call('GET', '/x')).status).toBe(200);
  expect(connections).toHaveLength(1);
  await call('POST', '/x');
  await call('GET', '/x', 'with a body');
  await call('DELETE', '/x');
  expect(connections).toHaveLength(4);
  await front.api.close(0);
  while (engine.sockets.size > 0) await once([...engine.sockets][0] as Socket, 'close');
});

test('a question for which the engine has just closed the connection is asked again, once', async () => {
  expect((await call('GET', '/x')).text).toBe('ok');
  const answer = engine.handle;
  engine.handle = (req) => {
    engine.handle = answer;
    req.socket.destroy();
  };
  expect((await call('GET', '/again')).text).toBe('ok');
  expect(engine.seen).toEqual(['GET /x', 'GET /again', 'GET /again']);
  await call('GET', '/x');
  engine.handle = (req) => req.socket.destroy();
  expect((await call('GET', '/gone')).status).toBe(503);
  expect(engine.seen.slice(4)).toEqual(['GET /gone', 'GET /gone']);
  expect((await call('POST', '/gone')).status).toBe(503);
  expect(engine.seen.slice(6)).toEqual(['POST /gone']);
});

test('a ping whose connection is gone is asked again too', async () => {
  engine.handle = (_req, res) => res.setHeader('Api-Version', '1.47').end();
  await call('GET', '/_ping');
  for (const socket of engine.sockets) socket.destroy();
  engine.handle = (_req, res) => res.setHeader('Api-Version', '1.46').end();
  expect((await call('GET', '/_ping')).headers['api-version']).toBe('1.46');
});

test('no connection to the engine is left behind', async () => {
  await Promise.all(Array.from({ length: 20 }, () => call('POST', '/containers/x/kill')));
  while (engine.sockets.size > 0) await once([...engine.sockets][0] as Socket, 'close');
  expect(engine.seen).toHaveLength(20);
});
