// What there is no room for on the managers' disks waits or is refused: what nodes say before what users do.

import { expect, test } from '@jest/globals';
import type { Room } from '../../domain/disk-room.ts';
import type { Outcome } from './check/acknowledged.ts';
import { drawOptions } from './options.ts';
import { boot } from './world/boot.ts';
import { Cluster } from './world/cluster.ts';

async function buildCluster(managers: number): Promise<Cluster> {
  const options = { ...drawOptions(1), nodes: managers + 1, managers, engineCallMs: 20 };
  const cluster = new Cluster(options, { checks: [] });
  await boot(cluster);
  await cluster.run(10_000);
  return cluster;
}

async function send(cluster: Cluster, name: string, body: object): Promise<Outcome> {
  const outcome = cluster.command(name, body);
  await cluster.run(8_000);
  return outcome;
}
const create = (cluster: Cluster, Name: string): Promise<Outcome> =>
  send(cluster, 'service.create', {
    spec: {
      Name,
      TaskTemplate: { ContainerSpec: { Image: 'steady:1' } },
      Mode: { Replicated: { Replicas: 2 } },
    },
  });
const idOf = (cluster: Cluster, name: string): string | undefined =>
  cluster.audit.store.serviceByName(name)?.id;
const statesOf = (cluster: Cluster, name: string): string[] =>
  [...cluster.audit.store.tasksOfService(idOf(cluster, name) ?? '')].map((t) => t.status.state);

/** The heartbeats tell it to the leader. */
async function set(cluster: Cluster, ...rooms: readonly Room[]): Promise<void> {
  for (const [i, room] of rooms.entries())
    (cluster.managers[i] as { diskRoom: Room }).diskRoom = room;
  await cluster.run(2_000);
}

test('reports wait below the first floor, commands are refused below the second, and all goes on when there is room', async () => {
  const cluster = await buildCluster(1);
  await set(cluster, 'low');
  expect(await create(cluster, 'a')).toMatchObject({ kind: 'acknowledged' });
  // the node has been told of them; that they run, nobody has written
  expect(statesOf(cluster, 'a')).toEqual(['assigned', 'assigned']);
  await cluster.run(60_000);
  const nodes = [...cluster.audit.store.list('node')].map(({ status }) => status.state);
  expect(nodes).toEqual(['ready', 'ready']);

  await set(cluster, 'none');
  expect(await create(cluster, 'b')).toMatchObject({
    kind: 'refused',
    message: expect.stringContaining('almost full'),
  });
  await set(cluster, 'enough');
  expect(await create(cluster, 'b')).toMatchObject({ kind: 'acknowledged' });
  await cluster.run(30_000);
  expect([...statesOf(cluster, 'a'), ...statesOf(cluster, 'b')]).toEqual(Array(4).fill('running'));

  await set(cluster, 'none');
  expect(await send(cluster, 'service.remove', { id: idOf(cluster, 'a') })).toMatchObject({
    kind: 'acknowledged',
  });
  expect(idOf(cluster, 'a')).toBeUndefined();
});

test('a manager whose disk is full costs three managers nothing; two do', async () => {
  const cluster = await buildCluster(3);
  for (const rooms of [
    ['none', 'enough', 'enough'],
    ['enough', 'none', 'enough'],
    ['enough', 'enough', 'none'],
  ] as const) {
    await set(cluster, ...rooms);
    const name = `with-${rooms.indexOf('none')}`;
    expect(await create(cluster, name)).toMatchObject({ kind: 'acknowledged' });
    await cluster.run(10_000);
    expect(statesOf(cluster, name)).toEqual(['running', 'running']);
  }
  await set(cluster, 'none', 'enough', 'none');
  expect(await create(cluster, 'refused')).toMatchObject({ kind: 'refused' });
  await set(cluster, 'none', 'enough', 'enough');
  expect(await create(cluster, 'taken')).toMatchObject({ kind: 'acknowledged' });
});
