// A short form of `npm run soak -- hostile`: what holds on any machine, without figures.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Random } from '../sim/world/random.ts';
import { Intruder } from '../soak/intruder.ts';
import { SocketClient } from '../soak/socket-client.ts';
import { Stranger } from '../soak/stranger.ts';
import { Watch, watched } from '../soak/watch.ts';
import { SLEEP } from '../support/engine.ts';
import { joinRaw } from '../support/intruder.ts';
import { type Pair, startPair } from '../support/pair.ts';

const seconds = 15;
const seed = 13;
let pair: Pair;

beforeAll(async () => {
  pair = await startPair('fuzz');
  await pair.manager.mustDocker('swarm', 'init');
  await pair.join();
  const create = ['service', 'create', '--quiet', `--name=${watched}`, '--replicas=4', SLEEP];
  await pair.manager.mustDocker(...create);
});
afterAll(async () => {
  await pair?.stop();
});

test('a worker, a stranger and a client that do whatever they like cost nobody else anything', async () => {
  const joinPort = Number(pair.remote.split(':')[1]);
  const own = await joinRaw(joinPort, await pair.token());
  const managers = ['127.0.0.1'];
  const ports = { join: joinPort, all: [joinPort, own.busPort] };
  const watch = new Watch([pair.manager], pair.engines, own.nodeId);
  await watch.look();
  let isOver = false;
  const deeds = Promise.all([
    new Intruder(own, managers, new Random(seed, 'worker')).run(seconds),
    new Stranger(managers, ports, new Random(seed, 'stranger')).run(seconds),
    new SocketClient([pair.manager.socket], new Random(seed, 'client')).run(seconds),
  ]).finally(() => {
    isOver = true;
  });
  while (!isOver) await watch.look();
  await deeds;
  await watch.look();
  await watch.removeIntruder();
  expect([...watch.broken]).toEqual([]);
});
