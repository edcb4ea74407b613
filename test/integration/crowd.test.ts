// A node has a few connections to a manager's bus, whatever its certificate is used for.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { NatsConnection } from 'nats';
import { Crowd } from '../../bus/nats/crowd.ts';
import { limits } from '../../domain/limits.ts';
import { until } from '../support/engine.ts';
import { connectRaw, type Stolen } from '../support/intruder.ts';
import { TestBus } from '../support/nats.ts';

const max = limits.busConnectionsPerNodeMax;
const reports: object[] = [];
const connections: NatsConnection[] = [];
let bus: TestBus;
beforeAll(async () => {
  bus = await TestBus.start();
  await bus.serveAuth();
  const system = await bus.link('system');
  const isLimited = (user: string): boolean => user.startsWith('worker');
  new Crowd({
    system,
    isLimited,
    report: (event, fields) => reports.push({ event, ...fields }),
  }).watch();
  await system.connection().flush();
});
afterAll(async () => {
  for (const connection of connections) await connection.close();
  await bus.stop();
});

/** Connections of one node, the oldest first. */
async function many(nodeId: string, role: 'worker' | 'manager', count: number) {
  const tls = bus.pki.identity(nodeId, role) as Omit<Stolen, 'nodeId'>;
  const made: NatsConnection[] = [];
  for (let i = 0; i < count; i++) made.push(await connectRaw(bus.options.port, { nodeId, ...tls }));
  connections.push(...made);
  return made;
}

const open = (of: readonly NatsConnection[]): readonly number[] =>
  of.flatMap((connection, i) => (connection.isClosed() ? [] : [i]));

test('of many connections of a worker the newest are left; nobody else loses any', async () => {
  const few = await many('worker1', 'worker', max);
  const manager = await many('manager2', 'manager', max + 4);
  const crowd = await many('worker2', 'worker', 60);
  await until(() => open(crowd).length <= max, 10_000, 'the oldest to be closed');
  expect(open(crowd)).toEqual(Array.from({ length: max }, (_, i) => 60 - max + i));
  expect(open(few)).toHaveLength(max);
  expect(open(manager)).toHaveLength(max + 4);
  expect(reports[0]).toMatchObject({ event: 'connections_refused', member: 'worker2' });
});

test('a node that comes and goes is let in each time', async () => {
  for (let i = 0; i < 5 * max; i++) {
    const [connection] = await many('worker3', 'worker', 1);
    await connection?.flush();
    await connection?.close();
  }
  const last = await many('worker3', 'worker', max);
  for (const connection of last) await connection.flush();
  expect(open(last)).toHaveLength(max);
});
