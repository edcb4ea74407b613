// Connections without a certificate on the bus port: nodes get in beside them.

import { afterEach, expect, test } from '@jest/globals';
import { Strangers } from '../../bus/nats/strangers.ts';
import { limits } from '../../domain/limits.ts';
import { systemClock } from '../../supervisors/clock.ts';
import { until } from '../support/engine.ts';
import { connectRaw } from '../support/intruder.ts';
import { Mutes } from '../support/mute.ts';
import { TestBus } from '../support/nats.ts';
import { startPair } from '../support/pair.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function fullBus() {
  const bus = await TestBus.start({ connectionsMax: 800 });
  ends.push(() => bus.stop());
  await bus.serveAuth();
  const events: object[] = [];
  const strangers = new Strangers({
    system: await bus.link('system'),
    clock: systemClock,
    report: (event, fields) => void events.push({ event, ...fields }),
    shares: { max: 100, perAddressMin: 16 },
  });
  return { bus, events, strangers, port: bus.options.port };
}

test('mute connections fill the server, and go by who holds most; a node gets in', async () => {
  const { bus, events, strangers, port } = await fullBus();
  expect(await strangers.look()).toBe(0);
  const few = new Mutes(port, '127.0.0.3', 20);
  const many = new Mutes(port, '127.0.0.2', 1_200);
  ends.push(
    () => few.end(),
    () => many.end(),
  );
  await few.hold(20);
  await many.hold(1_200);
  many.rest();
  few.rest();
  // in which words depends on how far the client has come when the server closes
  await expect(connectRaw(port, bus.pki.identity('w0', 'worker'))).rejects.toThrow();
  const before = few.open;
  const gone = await strangers.look();
  expect(gone).toBeGreaterThan(500);
  await until(() => many.open <= 80, 5_000, 'the connections to be closed');
  expect([before, few.open]).toEqual([20, 20]);
  expect(events).toMatchObject([
    {
      event: 'strangers_refused',
      connections: gone,
      from: [{ address: '127.0.0.2' }, { address: '127.0.0.3', connections: 20 }],
    },
  ]);
  await bus.connect('w1', 'worker');
  expect(await strangers.look()).toBe(0);
});

test('against connections that come again and again, too', async () => {
  const { bus, events, strangers, port } = await fullBus();
  const stop = new AbortController();
  ends.push(() => stop.abort());
  void strangers.run(stop.signal);
  const mutes = new Mutes(port, '127.0.0.2', 2_000);
  ends.push(() => mutes.end());
  await mutes.hold(800);
  const known = await bus.connect('w1', 'worker');
  await until(() => events.length > 0, 10_000, 'them to be noticed');
  await until(() => mutes.open <= 100, 10_000, 'no more than may wait');
  expect(known.isConnected()).toBe(true);
});

test('a daemon keeps its bus port open', async () => {
  const pair = await startPair('mute');
  ends.push(() => pair.stop());
  await pair.manager.mustDocker('swarm', 'init');
  const mutes = new Mutes(pair.manager.busPort, '127.0.0.2', 2_000);
  ends.push(() => mutes.end());
  await mutes.hold(limits.busStrangersMax + 500);
  const isSeen = (): boolean => pair.manager.log().includes('"strangers_refused"');
  await until(isSeen, 10_000, 'too many to be noticed');
  await pair.join();
  await pair.allReady(2);
  await pair.manager.mustDocker('node', 'ls');
});
