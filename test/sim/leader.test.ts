import { expect, test } from '@jest/globals';
import type { Outcome } from './check/acknowledged.ts';
import type { RecordCheck } from './check/audit.ts';
import { drawOptions } from './options.ts';
import { boot } from './world/boot.ts';
import { Cluster } from './world/cluster.ts';

async function buildCluster(nodes: number, check: RecordCheck): Promise<Cluster> {
  const cluster = new Cluster({ ...drawOptions(1), nodes, managers: 1 }, { checks: [check] });
  await boot(cluster);
  await cluster.run(5_000);
  return cluster;
}

async function send(cluster: Cluster, name: string, body: object): Promise<Outcome> {
  const outcome = cluster.command(name, body);
  await cluster.run(5_000);
  return outcome;
}

const runningOn = (cluster: Cluster): readonly string[] =>
  [...cluster.audit.store.list('task')]
    .filter(({ status }) => status.state === 'running')
    .map(({ nodeId }) => nodeId);

test('a leader enforces constraints of which the last one did not live to see the end', async () => {
  let killed = false;
  const cluster = await buildCluster(3, ({ applied }) => {
    if (killed || !applied.some((c) => c.kind === 'node' && c.after?.spec.Labels['zone'] === 'a'))
      return;
    killed = true;
    cluster.hosts[0]?.kill();
  });
  const spec = {
    Name: 'placed',
    TaskTemplate: {
      ContainerSpec: { Image: 'steady:1' },
      Placement: { Constraints: ['node.labels.zone!=a', 'node.role==worker'] },
    },
    Mode: { Replicated: { Replicas: 1 } },
  };
  await send(cluster, 'service.create', { spec });
  const [before] = runningOn(cluster);
  const node = cluster.audit.store.node(before ?? '');
  const body = {
    id: node?.id,
    version: node?.meta.version,
    spec: { ...node?.spec, Labels: { zone: 'a' } },
  };
  expect(await send(cluster, 'node.update', body)).toMatchObject({ kind: 'unknown' });
  expect(killed).toBe(true);
  expect(runningOn(cluster)).toEqual([before]);
  cluster.hosts[0]?.start();
  await cluster.run(60_000);
  const after = runningOn(cluster);
  expect(after).toHaveLength(1);
  expect(after).not.toEqual([before]);
});
