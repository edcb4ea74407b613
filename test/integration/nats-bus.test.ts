import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { headers } from 'nats';
import { encodingHeader } from '../../bus/codec.ts';
import { connectBus, type BusConnection } from '../../bus/nats/bus.ts';
import { connectLink, type Link } from '../../bus/nats/link.ts';
import { limits } from '../../domain/limits.ts';
import { busContract } from '../contract/bus.ts';
import { until } from '../support/engine.ts';
import { freePort } from '../support/free-port.ts';
import { TestBus } from '../support/nats.ts';
import { patient } from '../support/patience.ts';

busContract('nats-server', async () => {
  const bus = await TestBus.start();
  await bus.serveAuth();
  return {
    connect: (name) => bus.connect(name, 'manager'),
    settle: (promise) => promise,
    cut: async () => {
      await bus.kill();
      await bus.disconnected();
    },
    heal: () => bus.restart(),
    close: () => bus.stop(),
  };
});

describe('connections', () => {
  let bus: TestBus;
  let manager: BusConnection;
  let raw: Link;
  beforeAll(async () => {
    bus = await TestBus.start();
    await bus.serveAuth();
    manager = await bus.connect('manager1', 'manager');
    raw = await bus.link(bus.pki.identity('manager1', 'manager'), 'manager1');
  });
  afterAll(() => bus.stop());

  /** The server knows what the manager has subscribed to: what one connection sends keeps its order. */
  const settled = async (): Promise<void> => {
    const stop = manager.subscribe('natswarm.test.settled', ({ reply }) => reply?.(null));
    await manager.request('natswarm.test.settled', null, 10_000);
    stop();
  };

  test('others speak JSON, and are answered in JSON', async () => {
    const stop = manager.subscribe('natswarm.test.json', ({ body, reply }) => reply?.({ body }));
    await manager.request('natswarm.test.json', 0, 10_000);
    const request = (text: string) =>
      raw.connection().request('natswarm.test.json', text, { timeout: 10_000 });
    const answer = await request('{"a":[1,2]}');
    expect(answer.string()).toBe('{"body":{"a":[1,2]}}');
    expect(answer.headers?.get(encodingHeader) ?? '').toBe('');
    expect((await request('')).string()).toBe('{}');
    stop();
  });

  test('a request that nobody can read is refused, not left unanswered', async () => {
    const stop = manager.subscribe('natswarm.test.unreadable', ({ reply }) => reply?.('read'));
    await manager.request('natswarm.test.unreadable', 0, 10_000);
    const answer = await raw
      .connection()
      .request('natswarm.test.unreadable', '{"a":', { timeout: 10_000 });
    expect(answer.json()).toMatchObject({
      ok: false,
      error: { code: 'InvalidArgument', message: expect.stringContaining('unreadable body') },
    });
    stop();
  });

  test('a responder that speaks JSON is understood', async () => {
    raw.connection().subscribe('natswarm.test.jsonresponder', {
      callback: (_, message) => void message.respond('{"ok":true}'),
    });
    await raw.connection().flush();
    expect(await manager.request('natswarm.test.jsonresponder', {}, 10_000)).toEqual({ ok: true });
  });

  test('unreadable messages and handlers that throw are told, and stop nothing', async () => {
    const heard: unknown[] = [];
    const stop = manager.subscribe('natswarm.test.bad', ({ body }) => {
      if (body === 'throw') throw new Error('handler failed');
      heard.push(body);
    });
    await settled();
    const before = bus.lines.length;
    const msgpack = headers();
    msgpack.set(encodingHeader, 'msgpack');
    const unknown = headers();
    unknown.set(encodingHeader, 'cbor');
    raw.connection().publish('natswarm.test.bad', '{"a":');
    raw.connection().publish('natswarm.test.bad', Uint8Array.of(0xc1), { headers: msgpack });
    raw.connection().publish('natswarm.test.bad', '{}', { headers: unknown });
    raw.connection().publish('natswarm.test.bad', '"throw"');
    raw.connection().publish('natswarm.test.bad', '"good"');
    await raw.connection().flush();
    await until(() => heard.length > 0, 3_000, 'the good one');
    expect(heard).toEqual(['good']);
    const told = bus.lines.slice(before).filter((line) => line.startsWith('bus natswarm.test.bad'));
    expect(told).toHaveLength(4);
    expect(told[3]).toContain('handler failed');
    stop();
  });

  test('an unreadable answer is a refusal', async () => {
    raw.connection().subscribe('natswarm.test.garbage', {
      callback: (_, message) => void message.respond('{'),
    });
    await raw.connection().flush();
    await expect(manager.request('natswarm.test.garbage', 1, 10_000)).rejects.toMatchObject({
      name: 'BusError',
      code: 'refused',
    });
  });

  test('bodies go up to the limit and not beyond', async () => {
    const stop = manager.subscribe('natswarm.test.large', ({ body, reply }) =>
      reply?.(String(body).length),
    );
    await raw.connection().flush();
    const most = limits.serverPayloadBytesMax - 5;
    expect(await manager.request('natswarm.test.large', 'x'.repeat(most), 10_000)).toBe(most);
    expect(() => manager.publish('natswarm.test.large', 'x'.repeat(most + 1))).toThrow('bytes');
    stop();
  });

  test('connecting goes on until the signal ends it', async () => {
    const errors: string[] = [];
    const stop = new AbortController();
    const connecting = connectBus({
      servers: [`127.0.0.1:${await freePort()}`],
      name: 'test',
      tls: () => bus.options.tls,
      onError: (error) => {
        errors.push(error.message);
        if (errors.length === 2) stop.abort(new Error('enough'));
      },
      signal: stop.signal,
    });
    await expect(connecting).rejects.toThrow('enough');
    expect(errors).toHaveLength(2);
  });

  test('a write that fails while its connection is being closed ends nothing else', async () => {
    const doomed = await bus.link(bus.pki.identity('manager1', 'manager'), 'manager1');
    const { protocol } = doomed.connection() as unknown as {
      readonly protocol: { readonly transport: { readonly socket: Socket } };
    };
    const { socket } = protocol.transport;
    const failed = once(socket, 'close');
    socket.end();
    // as the library does it: what waits is written, the listeners are taken off, the socket is closed
    socket.write('PING\r\n');
    socket.removeAllListeners('error');
    await failed;
    await doomed.close();
  });

  test('a connection made while the server is not there yet comes when it is', async () => {
    const port = await freePort();
    const connecting = connectLink(
      {
        servers: [`127.0.0.1:${port}`],
        name: 'early',
        tls: () => bus.options.tls,
        user: bus.options.users.log,
      },
      () => {},
      AbortSignal.timeout(patient(10_000)),
    );
    const late = await TestBus.start({
      port,
      users: bus.options.users,
      tls: bus.options.tls,
    });
    const link = await connecting;
    expect(link.connection().info?.server_name).toBe(late.server.name);
    await link.close();
    await late.stop();
  });

  test('a server that holds the line without a word costs one socket, not one an attempt', async () => {
    const sockets = new Set<Socket>();
    let accepted = 0;
    const mute = createServer((socket) => {
      accepted += 1;
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as { port: number };
    const stop = new AbortController();
    const connecting = connectLink(
      {
        servers: [`127.0.0.1:${port}`],
        name: 'test',
        tls: () => bus.options.tls,
        connectTimeoutMs: 100,
      },
      () => {},
      stop.signal,
    );
    const ended = expect(connecting).rejects.toThrow('enough');
    await until(() => accepted >= 5, 3_000, 'five tries');
    expect(sockets.size).toBeLessThanOrEqual(2);
    stop.abort(new Error('enough'));
    await ended;
    mute.close();
    for (const socket of sockets) socket.destroy();
  });

  test('a renewed certificate is used from the next connection on', async () => {
    const first = bus.pki.identity('worker1', 'worker');
    const second = bus.pki.identity('worker2', 'worker');
    let current = first;
    const connection = await connectBus({
      servers: [bus.server.address],
      name: 'renewing',
      tls: () => current,
      inboxPrefix: '_INBOX_worker2',
      onError: () => {},
    });
    const publish = async (node: string): Promise<string> => {
      const heard = new Promise<string>((resolve) => {
        const stop = manager.subscribe('natswarm.v1.agent.*.beat', (message) => {
          stop();
          resolve(message.subject);
        });
      });
      await settled();
      connection.publish(`natswarm.v1.agent.${node}.beat`, {});
      return heard;
    };
    expect(await publish('worker1')).toBe('natswarm.v1.agent.worker1.beat');
    current = second;
    const back = new Promise<void>((resolve) => {
      connection.onConnection((isConnected) => {
        if (isConnected) resolve();
      });
    });
    await connection.reconnect();
    await back;
    expect(await publish('worker2')).toBe('natswarm.v1.agent.worker2.beat');
    await connection.close();
  });
});
