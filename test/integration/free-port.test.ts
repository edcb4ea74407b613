import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { run } from '../support/engine.ts';
import { freePort } from '../support/free-port.ts';

test('no two callers get the same port or its neighbour, in one process or several', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, freePort));
  expect(new Set(ports.flatMap((port) => [port, port + 1])).size).toBe(100);
  const [port] = ports as [number];
  const claim = `require('node:net').createServer().listen('\\0natswarm-test-port-${port}')`;
  expect((await run([process.execPath, '-e', claim])).stderr).toContain('EADDRINUSE');
});

test('both ports can be listened on', async () => {
  const port = await freePort();
  const servers = [port, port + 1].map((n) => createServer().listen(n, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  for (const server of servers) server.close();
});
