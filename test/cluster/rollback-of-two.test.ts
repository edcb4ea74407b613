// Of two managers neither writes anything without the other: the older disk's server stays in the group and is brought up to date.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import { serviceNames, swarmOfManagers, untilManagers, write } from '../support/swarm-hosts.ts';

let hosts: Hosts;

beforeAll(async () => {
  hosts = await startHosts(2);
  await hosts.startDaemons();
  await swarmOfManagers(hosts.all);
});

afterAll(async () => {
  await hosts?.down();
});

test('the disk of one of two managers is rolled back', async () => {
  const [a, b] = hosts.all as [Host, Host];
  const state = join(a.stateDir, 'natswarm');
  const copy = join(a.stateDir, 'copy');
  await write(b, 'before');
  await a.stopDaemon();
  cpSync(state, copy, { recursive: true });
  await a.startDaemon();
  await untilManagers(hosts.all);
  await write(b, 'since');
  await a.stopDaemon();
  rmSync(state, { recursive: true });
  cpSync(copy, state, { recursive: true });
  await a.startDaemon();
  await untilManagers(hosts.all);
  for (const host of hosts.all) expect(await serviceNames(host)).toEqual(['before', 'since']);
  const [aside = ''] = readdirSync(join(state, 'aside'));
  expect(readdirSync(join(state, 'aside', aside))).toEqual(['journal']);
  await write(a, 'through-it');
  await a.stopDaemon();
  await a.startDaemon();
  await untilManagers(hosts.all);
  expect(await serviceNames(a)).toEqual(['before', 'since', 'through-it']);
  expect(readdirSync(join(state, 'aside'))).toEqual([aside]);
});
