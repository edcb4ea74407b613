import { expect, test } from '@jest/globals';
import { drawOptions } from './options.ts';
import { plantedBugs } from './planted.ts';
import { boot } from './world/boot.ts';
import { Cluster } from './world/cluster.ts';

/**
 * A leader stands still, clock and all, its server with it, until another leads. When it comes to it takes its lease
 * for good a moment longer, and a node that has obeyed the new one happens to come to its server.
 */
async function meetStaleLeader(): Promise<unknown> {
  const options = { ...drawOptions(1), nodes: 4, managers: 3, clockDrift: 0 };
  const cluster = new Cluster(options, { checks: [] });
  await boot(cluster);
  await cluster.run(10_000);
  const { leader, servers, hosts } = cluster;
  const worker = hosts.find(({ isManager }) => !isManager);
  if (leader === undefined || worker === undefined)
    throw new Error('there is no leader, or no worker');
  const thaw = leader.freeze(true);
  const others = servers.ids.filter((id) => id !== leader.id);
  const bring = servers.stop(leader.id);
  await cluster.run(20_000);
  expect(cluster.leader).toBeDefined();
  for (const id of others) servers.stop(id);
  bring();
  await cluster.run(1_000);
  expect(worker.agentBus?.server).toBe(leader.id);
  thaw();
  expect(leader.isLeading).toBe(true);
  await cluster.run(5_000).catch(() => undefined);
  return cluster.failure;
}

test('a node does not obey a leader that was deposed, whatever that one believes', async () => {
  expect(await meetStaleLeader()).toBeUndefined();
});

test('without the epoch check it would', async () => {
  const uproot = plantedBugs['no-epoch-check']?.plant?.();
  try {
    expect(await meetStaleLeader()).toMatchObject({ name: 'Violation', rule: 'epoch' });
  } finally {
    uproot?.();
  }
});
