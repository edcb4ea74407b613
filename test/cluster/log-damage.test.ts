// One manager's copy of the log is damaged, or has no room: it says so, nothing acknowledged is lost, and it gets well.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import {
  leadLogFrom,
  Load,
  logLeaderOf,
  nodeIdOf,
  serviceNames,
  swarmOfManagers,
  untilManagers,
  write,
} from '../support/swarm-hosts.ts';

const diskMiB = 256;
const patienceMs = 60_000;

let hosts: Hosts;
const acked = new Set<string>();

beforeAll(async () => {
  hosts = await startHosts(3, { diskMiB });
  await hosts.startDaemons();
  await swarmOfManagers(hosts.all);
});

afterAll(async () => {
  await hosts?.down();
});

/** Writes through all hosts but `away` while `during` lasts; nobody sees a failure. */
async function underLoad(away: Host, during: (load: Load) => Promise<unknown>): Promise<void> {
  const load = new Load(() => hosts.all.filter((host) => host !== away));
  try {
    await during(load);
  } finally {
    await load.stop();
  }
  expect(load.failures).toEqual([]);
  for (const name of load.acked) acked.add(name);
}

async function expectNothingLost(): Promise<void> {
  await untilManagers(hosts.all);
  for (const host of hosts.all) {
    const there = new Set(await serviceNames(host));
    expect([...acked].filter((name) => !there.has(name))).toEqual([]);
  }
}

async function someFollower(): Promise<Host> {
  const leader = await untilManagers(hosts.all);
  const led = await logLeaderOf(leader);
  for (const host of hosts.all) if (host !== leader && (await nodeIdOf(host)) !== led) return host;
  throw new Error('there is no manager that leads nothing');
}

/** The blocks of the log and of its group on this host. */
function blocksOf(host: Host): readonly string[] {
  const dir = join(`/proc/${host.engine.init}/root`, host.stateDir, 'natswarm', 'store');
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.blk'))
    .map((name) => join(dir, name))
    .filter((file) => statSync(file).size > 0);
}

test.each<[string, (host: Host) => Promise<void>, boolean]>([
  ['stopped', (host) => host.stopDaemon(), true],
  // what the blocks were at the end nobody knows, and nats-server drops without a word what it cannot read
  ['killed', (host) => host.killDaemon(), false],
])('a bit of each block of a copy is flipped while its manager is %s', async (how, end, isSaid) => {
  const victim = await someFollower();
  await underLoad(victim, async ({ acked: written }) => {
    await until(() => written.length >= 50, patienceMs, 'writes');
    await end(victim);
    const blocks = blocksOf(victim);
    expect(blocks.length).toBeGreaterThan(0);
    for (const file of blocks) {
      const data = readFileSync(file);
      const at = Math.floor(data.length / 2);
      data.writeUInt8(data.readUInt8(at) ^ 1, at);
      writeFileSync(file, data);
    }
    const noted = victim.daemon.log().length;
    await victim.startDaemon();
    await untilManagers(hosts.all);
    expect(victim.daemon.log().slice(noted).includes('log_copy_damaged')).toBe(isSaid);
  });
  await expectNothingLost();
  // its copy is as good as any
  const id = await nodeIdOf(victim);
  await leadLogFrom(victim, id);
  await until(
    async () => (await logLeaderOf(victim)) === id,
    patienceMs,
    'the log to be led by it',
  );
  await write(victim, `led-by-the-${how}`);
  acked.add(`led-by-the-${how}`);
  await expectNothingLost();
});

test('its disk is full', async () => {
  const victim = await someFollower();
  const fill = join(victim.stateDir, 'natswarm', 'fill');
  const noted = victim.daemon.log().length;
  await underLoad(victim, async () => {
    await victim.exec(['sh', '-c', `cat /dev/zero >${fill}`]);
    await until(
      () => victim.daemon.log().slice(noted).includes('log_store_failed'),
      patienceMs,
      'it to say so',
    );
    const before = (await serviceNames(victim)).length;
    // it goes on as a manager meanwhile
    await write(victim, 'through-the-full');
    acked.add('through-the-full');
    expect((await serviceNames(victim)).length).toBeGreaterThan(before);
    await victim.exec(['rm', fill]);
    await untilManagers(hosts.all);
  });
  await expectNothingLost();
});
