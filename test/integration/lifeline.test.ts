import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import type { NatsConnection } from 'nats';
import { watchOver } from '../../bus/nats/lifeline.ts';
import { until } from '../support/engine.ts';
import { soon } from '../support/patience.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Somebody who takes connections, and greets on them if he is well. */
async function startServer(isWell = true) {
  const server = createServer((socket) => {
    state.connections += 1;
    socket.on('error', () => undefined);
    if (state.isWell) socket.write('INFO {}\r\n');
  });
  const state = { isWell, connections: 0, address: '' };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close());
  state.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}

/** A connection whose server answers, or does not. */
function watched(servers: readonly string[]) {
  const waiting: (() => void)[] = [];
  const state = { isMute: false, isClosed: false, pings: 0, mute: [] as string[] };
  const connection = {
    isClosed: () => state.isClosed,
    flush: () => {
      state.pings += 1;
      if (!state.isMute) return Promise.resolve();
      return new Promise<void>((resolve) => void waiting.push(resolve));
    },
  } as unknown as NatsConnection;
  const over = watchOver(
    connection,
    () => servers,
    (server) => {
      state.mute.push(server);
      state.isClosed = true;
    },
  );
  const speak = (): void => {
    state.isMute = false;
    for (const answer of waiting.splice(0)) answer();
  };
  ends.push(() => {
    state.isClosed = true;
    speak();
  });
  return { state, speak, over };
}

test('a connection that is answered is left alone, and no other one is made', async () => {
  const server = await startServer();
  const { state } = watched([server.address]);
  await until(() => state.pings >= 3, 5_000, 'three pings');
  expect([server.connections, state.mute]).toEqual([0, []]);
});

test('one that stays mute while a server greets others is given up for that server', async () => {
  const [frozen, well] = [await startServer(false), await startServer()];
  const { state, over } = watched([frozen.address, well.address]);
  state.isMute = true;
  const began = performance.now();
  await over;
  expect(performance.now() - began).toBeLessThan(soon(2_000));
  expect(state.mute).toEqual([well.address]);
});

test('a server that was frozen as a whole keeps its connections', async () => {
  const server = await startServer(false);
  const { state, speak } = watched([server.address, '127.0.0.1:1']);
  state.isMute = true;
  await until(() => server.connections >= 3, 5_000, 'some tries');
  server.isWell = true;
  speak();
  let { pings } = state;
  await until(() => state.pings > pings, 5_000, 'the next ping');
  const { connections } = server;
  pings = state.pings;
  await until(() => state.pings > pings, 5_000, 'one more');
  expect([server.connections, state.mute]).toEqual([connections, []]);
});
