import { afterEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { boundConnections } from '../../../api/connection-limit.ts';

const max = 20;
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function bounded() {
  const server = createServer((req, res) => void req.resume().once('end', () => res.end('served')));
  const hangUp = boundConnections(server, max);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(hangUp, () => server.close());
  const { port } = server.address() as AddressInfo;
  return async (localAddress: string): Promise<Socket> => {
    const arrived = once(server, 'connection');
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    socket.on('error', () => undefined);
    await arrived;
    return socket;
  };
}

const head = 'POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1\r\n\r\n';

test('who is slow is heard, however many connections another address holds', async () => {
  const open = await bounded();
  const slow = await open('127.0.0.3');
  slow.write(head);
  for (let i = 0; i < 5 * max; i++) await open('127.0.0.2');
  slow.write('x');
  expect(await text(slow)).toMatch(/served$/);
});

test('of one address the one goes that has waited longest', async () => {
  const open = await bounded();
  const first = await open('127.0.0.2');
  const closed = once(first.resume(), 'close');
  for (let i = 0; i < max - 1; i++) await open('127.0.0.2');
  const last = await open('127.0.0.2');
  await closed;
  last.write(`${head}x`);
  expect(await text(last)).toMatch(/served$/);
});
