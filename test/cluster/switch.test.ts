// From one manager to two and back: each time the log goes on in a new generation. Whoever is lost on the way, at
// whatever moment, the swarm arrives and keeps what it acknowledged. (Each write to a disk: test/sim/generations.test.ts.)

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import { isWorker, join, serviceNames, untilManagers, write } from '../support/swarm-hosts.ts';

let hosts: Hosts;
let one: Host;
let two: Host;
const acked: string[] = [];

beforeAll(async () => {
  hosts = await startHosts(2);
  [one, two] = hosts.all as [Host, Host];
  await hosts.startDaemons();
  await one.mustDocker('swarm', 'init', '--advertise-addr', one.ip);
  await join(two, one, 'worker');
});

afterAll(async () => {
  await hosts?.down();
});

async function record(through: Host): Promise<void> {
  const name = `record-${acked.length}`;
  await write(through, name);
  acked.push(name);
}

type Loss = 'power' | 'kill -9';
async function lose(host: Host, loss: Loss): Promise<void> {
  await (loss === 'power' ? host.powerOff() : host.killDaemon());
  if (!host.powered) await host.boot();
  await host.startDaemon();
}

async function expectAll(on: readonly Host[]): Promise<void> {
  for (const host of on) expect(await serviceNames(host)).toEqual(acked.toSorted());
}

const rounds: readonly [afterMs: number, victims: 'the founder' | 'the other' | 'both', Loss][] = [
  [0, 'the founder', 'power'],
  [100, 'the other', 'power'],
  [300, 'both', 'power'],
  [600, 'the founder', 'kill -9'],
  [900, 'the other', 'kill -9'],
  [1_300, 'both', 'kill -9'],
  [1_800, 'the founder', 'power'],
];

test.each(rounds)(
  '%i ms after promotion and after demotion, %s lost by %s',
  async (afterMs, victims, loss) => {
    const lost = { 'the founder': [one], 'the other': [two], both: [one, two] }[victims];
    const strike = async (): Promise<void> => {
      await sleep(afterMs);
      await Promise.all(lost.map((host) => lose(host, loss)));
    };

    await record(one);
    await one.mustDocker('node', 'promote', two.name);
    await strike();
    await untilManagers([one, two]);
    await expectAll([one, two]);

    await record(two);
    await one.mustDocker('node', 'demote', two.name);
    await strike();
    await untilManagers([one]);
    await until(() => isWorker(two), 60_000, 'the demoted manager to be a worker');
    await expectAll([one]);
  },
);
