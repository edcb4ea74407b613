import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { connect } from 'nats';
import type { BusConnection } from '../../bus/nats/bus.ts';
import { connectLink, type Link, type TlsMaterial } from '../../bus/nats/link.ts';
import type { NatsLog } from '../../bus/nats/log.ts';
import { limits } from '../../domain/limits.ts';
import { createOwnUsers } from '../../bus/nats/users.ts';
import {
  Authority,
  type NKey,
  createCluster,
  generateKeys,
  privateKeyToPem,
  trustRoots,
} from '../../pki/mod.ts';
import { until } from '../support/engine.ts';
import { Probe } from '../support/intruder.ts';
import { patient } from '../support/patience.ts';
import { TestBus, TestPki } from '../support/nats.ts';

let bus: TestBus;
let log: NatsLog;
let manager: BusConnection;
beforeAll(async () => {
  bus = await TestBus.start();
  log = await bus.log();
  await bus.serveAuth();
  manager = await bus.connect('manager1', 'manager');
});
afterAll(() => bus.stop());
beforeEach(() => {
  bus.denials.length = 0;
});

/** What came of one attempt to connect; 'connected' if the server lets it in. */
async function attempt(tls: TlsMaterial, user?: NKey): Promise<string> {
  const stop = new AbortController();
  try {
    const link = await connectLink(
      {
        servers: [bus.server.address],
        name: 'attempt',
        tls: () => tls,
        ...(user === undefined ? {} : { user }),
      },
      (error) => stop.abort(error),
      stop.signal,
    );
    await link.close();
    return 'connected';
  } catch (error) {
    return (error as Error).message;
  }
}

/** The server's alert, unless the end of the connection overtakes it. */
const refusedByTls = /alert|ECONNRESET|EPIPE/;

describe('who gets in', () => {
  test('workers and managers with a certificate of the cluster', async () => {
    expect(await attempt(bus.pki.identity('worker9', 'worker'))).toBe('connected');
    expect(await attempt(bus.pki.identity('manager9', 'manager'))).toBe('connected');
    expect(bus.denials).toEqual([]);
  });

  test('nobody with a certificate of another CA', async () => {
    const foreign = new TestPki(bus.pki.clusterId).identity('manager1', 'manager');
    expect(await attempt({ ...foreign, ca: bus.pki.roots })).toMatch(refusedByTls);
    await bus.said('certificate signed by unknown authority');
  });

  test('nobody without a certificate', async () => {
    const connecting = connect({
      servers: bus.server.address,
      tls: { ca: bus.pki.roots, servername: 'swarm-manager' } as object,
      timeout: 2_000,
      maxReconnectAttempts: 0,
    });
    await expect(connecting).rejects.toThrow();
    await bus.said("client didn't provide a certificate");
  });

  test('nobody without TLS', async () => {
    const connecting = connect({ servers: bus.server.address, tls: null, timeout: 2_000 });
    await expect(connecting).rejects.toThrow();
  });

  test('nobody with an expired certificate, or one that is not valid yet', async () => {
    const hourMs = 3_600_000;
    const old = bus.pki.identity('worker1', 'worker', hourMs, Date.now() - 3 * hourMs);
    const early = bus.pki.identity('worker1', 'worker', hourMs, Date.now() + 3 * hourMs);
    for (const tls of [old, early]) expect(await attempt(tls)).toMatch(refusedByTls);
    await bus.said('certificate has expired or is not yet valid');
  });

  test('nobody of another cluster under the same CA', async () => {
    const material = createCluster({ clusterId: 'one', nowMs: Date.now() });
    const other = new Authority({ ...material, clusterId: 'two' });
    const { privateKey, publicKey } = generateKeys();
    const cert = other.signNode({
      nodeId: 'worker1',
      role: 'worker',
      publicKey,
      validityMs: 60_000,
      nowMs: Date.now(),
    });
    const both = await TestBus.start({
      tls: { ...bus.options.tls, ca: bus.pki.roots + material.rootCertPem },
    });
    try {
      await both.serveAuth({
        clusterId: bus.pki.clusterId,
        roots: () => trustRoots(bus.pki.roots + material.rootCertPem),
      });
      const tls = { cert, key: privateKeyToPem(privateKey), ca: bus.pki.roots };
      expect(await both.denied(tls)).toMatchObject({ reason: 'certificate: wrong-cluster' });
    } finally {
      await both.stop();
    }
  });

  test('no clients yet, and no revoked node; the reason is told to the operator only', async () => {
    bus.revoked.add('worker7');
    expect(await attempt(bus.pki.identity('worker7', 'worker'))).toBe('Authorization Violation');
    expect(await attempt(bus.pki.identity('program', 'client'))).toBe('Authorization Violation');
    expect(bus.denials.find(({ nodeId }) => nodeId === 'worker7')).toEqual({
      reason: 'revoked',
      host: '127.0.0.1',
      nodeId: 'worker7',
    });
    expect(bus.denials.find(({ nodeId }) => nodeId === 'program')?.reason).toBe(
      'no rights for role client',
    );
  });

  test("a worker cannot pass for one of the daemon's own users", async () => {
    const worker = bus.pki.identity('worker1', 'worker');
    const stolen = createOwnUsers().log;
    const forged = { ...stolen, publicKey: bus.options.users.log.publicKey };
    expect(await attempt(worker, forged)).toBe('Authorization Violation');
  });
});

describe('what a worker may do', () => {
  let raw: Link;
  let probe: Probe;
  beforeAll(async () => {
    raw = await bus.link(bus.pki.identity('worker1', 'worker'), 'worker1');
    probe = new Probe(raw.connection());
  });

  test.each([
    'natswarm.v1.node.worker1.assign',
    'natswarm.v1.node.worker1.logs',
    'natswarm.v1.node.worker1.membership',
    'natswarm.v1.leader',
    '_INBOX_worker1.x.*',
  ])('subscribe to %s', async (subject) => {
    expect(await probe.subscribe(subject)).toBe('allowed');
  });

  test.each([
    'natswarm.v1.node.worker2.assign',
    'natswarm.v1.node.*.assign',
    'natswarm.v1.node.>',
    'natswarm.v1.node.worker1.>',
    'natswarm.v1.node.worker1.other',
    'natswarm.v1.agent.worker2.status',
    'natswarm.v1.agent.worker1.status',
    'natswarm.v1.command.>',
    'natswarm.>',
    '>',
    '*.>',
    '_INBOX.>',
    '_INBOX_worker2.>',
    'log.tail',
    'log.append',
    '$JS.API.>',
    '$SYS.>',
    '$SYS.REQ.USER.AUTH',
    '_R_.>',
  ])('not subscribe to %s', async (subject) => {
    expect(await probe.subscribe(subject)).toBe('refused');
  });

  test.each(['natswarm.v1.agent.worker1.beat', 'natswarm.v1.agent.worker1.status'])(
    'publish %s',
    async (subject) => {
      expect(await probe.publish(subject)).toBe('allowed');
    },
  );

  test.each([
    'natswarm.v1.agent.worker1.other',
    'natswarm.v1.agent.worker1.beat.x',
    'natswarm.v1.agent.worker2.status',
    'natswarm.v1.node.worker1.assign',
    'natswarm.v1.node.worker2.assign',
    'natswarm.v1.leader',
    'natswarm.v1.command.service.create',
    '_INBOX_worker2.x',
    'log.append',
    '$JS.API.STREAM.DELETE.log',
    '$SYS.REQ.USER.AUTH',
    '$SYS.REQ.SERVER.PING',
  ])('not publish %s', async (subject) => {
    expect(await probe.publish(subject)).toBe('refused');
  });

  test('answer what it is asked, once, and nobody else', async () => {
    raw.connection().subscribe('natswarm.v1.node.worker1.logs', {
      callback: (_, message) => {
        for (let i = 0; i < 3; i++) message.respond(`${i}`);
      },
    });
    await raw.connection().flush();
    const asking = await bus.link(bus.pki.identity('manager2', 'manager'), 'manager2');
    const heard: string[] = [];
    asking.connection().subscribe('_INBOX_manager2.logs', {
      callback: (_, message) => void heard.push(message.string()),
    });
    asking
      .connection()
      .publish('natswarm.v1.node.worker1.logs', '', { reply: '_INBOX_manager2.logs' });
    const refused = (): number =>
      bus.lines.filter((line) => /Publish Violation.*_INBOX_manager2\.logs/.test(line)).length;
    await until(() => refused() >= 2, 3_000, 'the second and the third answer to be refused');
    expect(heard).toEqual(['0']);
    expect(await probe.publish('_INBOX_manager2.other')).toBe('refused');
  });
});

test('a connection has few subscriptions, whatever its client asks for', async () => {
  const tls = bus.pki.identity('worker6', 'worker');
  const raw = await bus.link(tls, 'worker6');
  const connection = raw.connection();
  for (let i = 0; i < 20_000; i++)
    connection.subscribe(`_INBOX_worker6.${i}`, { callback: () => {} });
  await connection.flush();
  const system = await bus.link('system');
  const server = system.connection().info?.server_id ?? '';
  const ask = Buffer.from(JSON.stringify({ auth: true }));
  const answer = (await system.request(`$SYS.REQ.SERVER.${server}.CONNZ`, ask, 2_000)).json();
  const { connections } = (answer as { readonly data: { readonly connections: Listed[] } }).data;
  const mine = connections.find(({ tls_peer_certs: [cert] }) =>
    cert?.subject.startsWith('CN=worker6,'),
  );
  expect(mine?.subscriptions).toBe(limits.busSubscriptionsMax);
  await raw.close();
});

interface Listed {
  readonly subscriptions: number;
  readonly tls_peer_certs: readonly { readonly subject: string }[];
}

test('a manager reaches the bus, but neither the log nor the system', async () => {
  const raw = await bus.link(bus.pki.identity('manager3', 'manager'), 'manager3');
  const before = await log.bounds();
  raw.connection().publish('log.append', 'forged');
  await raw.connection().flush();
  for (const subject of ['$JS.API.INFO', '$JS.API.STREAM.INFO.log', '$JS.API.STREAM.PURGE.log'])
    expect((await raw.request(subject, new Uint8Array(), 500)).json()).toMatchObject({
      error: { err_code: 10_039, description: 'JetStream not enabled for account' },
    });
  for (const subject of ['$JS.API.DIRECT.GET.log', '$SYS.REQ.SERVER.PING'])
    await expect(raw.request(subject, Buffer.from('{"seq":1}'), 500)).rejects.toMatchObject({
      code: 'no-responder',
    });
  expect(await log.bounds()).toEqual(before);
});

test('a connection ends with its certificate', async () => {
  const tls = bus.pki.identity('worker5', 'worker', 3_000);
  const short = await bus.connectWith('worker5', tls, patient(3_000));
  const ended = new Promise<boolean>((resolve) => {
    short.onConnection((connected) => resolve(!connected));
  });
  expect(await ended).toBe(true);
  await short.close();
});

test('two managers that answer share the questions', async () => {
  const counted = await TestBus.start();
  try {
    const asked = [0, 0];
    for (const index of asked.keys())
      await counted.serveAuth({
        isRevoked: () => {
          asked[index] = (asked[index] ?? 0) + 1;
          return false;
        },
      });
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => counted.connect(`worker${i}`, 'worker')),
    );
    expect((asked[0] ?? 0) + (asked[1] ?? 0)).toBe(30);
    expect(Math.min(...asked)).toBeGreaterThan(0);
  } finally {
    await counted.stop();
  }
});

test('while nobody answers, nobody gets in; as soon as somebody does, all do', async () => {
  const quiet = await TestBus.start();
  try {
    const connecting = quiet.connect('worker1', 'worker');
    await quiet.said('authentication error');
    await quiet.serveAuth();
    expect((await connecting).isConnected()).toBe(true);
  } finally {
    await quiet.stop();
  }
});

test('a manager and a worker talk', async () => {
  const worker = await bus.connect('worker1', 'worker');
  const stop = manager.subscribe('natswarm.v1.agent.*.hello', ({ subject, body, reply }) =>
    reply?.({ subject, body }),
  );
  await manager.request('natswarm.v1.agent.manager1.hello', {}, 10_000);
  expect(await worker.request('natswarm.v1.agent.worker1.hello', { a: 1 }, 10_000)).toEqual({
    subject: 'natswarm.v1.agent.worker1.hello',
    body: { a: 1 },
  });
  await expect(worker.request('natswarm.v1.agent.worker2.hello', {}, 10_000)).rejects.toMatchObject(
    {
      code: 'refused',
    },
  );
  stop();
});
