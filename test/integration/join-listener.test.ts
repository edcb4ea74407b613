// The listener of 2377 against connections that stay open.

import { expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type JoinListener, listenForJoins } from '../../api/join-listener.ts';
import { exchangeBytes } from '../../cmd/join-cluster.ts';
import { freePort } from '../support/free-port.ts';
import { TestPki } from '../support/nats.ts';
import { soon } from '../support/patience.ts';

const never = (): Promise<never> => new Promise(() => undefined);
const head = 'POST /v1/join HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n';

async function startListener(
  pki = new TestPki(),
  checkpoint: () => Uint8Array = () => new Uint8Array(),
): Promise<JoinListener> {
  const tls = pki.identity('m', 'manager');
  return listenForJoins({
    host: '127.0.0.1',
    port: await freePort(),
    tls,
    root: () => pki.roots,
    admit: never,
    renew: never,
    rejoin: never,
    logJoins: { offer: never, enroll: never, start: never, checkpoint },
    log: () => undefined,
  });
}

async function openTcp(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}
async function openTls(port: number, text: string): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  if (text !== '') await new Promise((resolve) => socket.write(text, resolve));
  return socket;
}

test('it stops at once, whatever its connections are at', async () => {
  const listener = await startListener();
  const { port } = listener;
  const halfOpen = await openTcp(port);
  halfOpen.write(Buffer.from([22, 3, 1])); // the begin of a handshake
  const sockets: readonly Socket[] = [
    await openTcp(port),
    halfOpen,
    await openTls(port, ''),
    await openTls(port, 'GET /v1/ca HTTP/1.1\r\nhost:'),
    await openTls(port, `${head}\r\n{`),
    // asked in full; the manager does not answer
    await openTls(port, `${head.replace('100', '2')}\r\n{}`),
  ];
  const ended = sockets.map((socket) => {
    socket.on('error', () => undefined);
    return new Promise((resolve) => socket.once('close', resolve));
  });
  const began = performance.now();
  try {
    await listener.close();
    await Promise.all(ended);
    // Node ends a handshake that does not go on after 10 s
    expect(performance.now() - began).toBeLessThan(soon(1_000));
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test('the answer of another manager is taken up to its bound, and cut off behind it', async () => {
  const pki = new TestPki();
  const state = { bytes: 0 };
  const listener = await startListener(pki, () => new Uint8Array(state.bytes));
  const bytesMax = 1_024 ** 2;
  const { ca: root, ...identity } = pki.identity('n', 'manager');
  const fetch = (bytes: number): Promise<Buffer> => {
    state.bytes = bytes;
    return exchangeBytes(`127.0.0.1:${listener.port}`, {
      path: '/v1/manager/checkpoint/1',
      root,
      identity,
      signal: new AbortController().signal,
      limitMs: 60_000,
      bytesMax,
    });
  };
  for (const bytes of [bytesMax - 1, bytesMax]) expect(await fetch(bytes)).toHaveLength(bytes);
  for (const bytes of [bytesMax + 1, 100 * bytesMax])
    await expect(fetch(bytes)).rejects.toThrow('answer too large');
  await listener.close();
});
