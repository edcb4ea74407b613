// What one manager has on its disk is damaged: it says so, and gets it from the others.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import { serviceNames, swarmOfManagers, untilManagers, write } from '../support/swarm-hosts.ts';

const written = 20;

let hosts: Hosts;

beforeAll(async () => {
  hosts = await startHosts(3);
  await hosts.startDaemons();
  await swarmOfManagers(hosts.all);
  for (let n = 0; n < written; n++) await write(hosts.host(1), `before-${n}`);
});

afterAll(async () => {
  await hosts?.down();
});

/** The files of the journal of the generation that counts. */
function journalFiles(host: Host): readonly string[] {
  const dir = join(host.stateDir, 'natswarm', 'journal');
  const newest = Math.max(...readdirSync(dir).map(Number));
  return readdirSync(join(dir, String(newest))).map((name) => join(dir, String(newest), name));
}

const count = (host: Host, event: string): number =>
  host.daemon.log().split(`"${event}"`).length - 1;

test.each<[string, (file: string) => void]>([
  [
    'a bit of each file is flipped',
    (file) => {
      const data = readFileSync(file);
      const at = Math.floor(data.length / 2);
      data.writeUInt8(data.readUInt8(at) ^ 1, at);
      writeFileSync(file, data);
    },
  ],
  ['each file is cut off within its head', (file) => truncateSync(file, 10)],
])('%s', async (_, damage) => {
  const leader = await untilManagers(hosts.all);
  const victim = hosts.all.find((host) => host !== leader) as Host;
  const before = {
    damaged: count(victim, 'journal_damaged'),
    got: count(victim, 'state_fetched'),
  };
  await victim.stopDaemon();
  for (const file of journalFiles(victim)) damage(file);
  const meanwhile = `away-${before.damaged}`;
  await write(leader, meanwhile);
  await victim.startDaemon();
  await untilManagers(hosts.all);
  expect(count(victim, 'journal_damaged')).toBe(before.damaged + 1);
  expect(count(victim, 'state_fetched')).toBe(before.got + 1);
  expect(await serviceNames(victim)).toContain(meanwhile);
  expect(await serviceNames(victim)).toEqual(await serviceNames(leader));
  expect((await serviceNames(victim)).length).toBeGreaterThanOrEqual(written + 1);
  await write(victim, `through-${before.damaged}`);
});
