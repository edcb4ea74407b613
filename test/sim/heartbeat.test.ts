import { expect, test } from '@jest/globals';
import { drawOptions } from './options.ts';
import { boot } from './world/boot.ts';
import { Cluster } from './world/cluster.ts';
import type { SimHost } from './world/daemon.ts';

async function buildCluster(): Promise<Cluster> {
  const options = { ...drawOptions(1), nodes: 5, managers: 1, heartbeatPeriodMs: 5_000 };
  const cluster = new Cluster({ ...options, clockSkewMs: 0, busLatencyMs: [1, 5] }, { checks: [] });
  await boot(cluster);
  await cluster.run(10_000);
  return cluster;
}

async function setPeriod(cluster: Cluster, ms: number): Promise<void> {
  const { spec, meta } = cluster.audit.store.cluster()!;
  const next = { ...spec, Dispatcher: { HeartbeatPeriod: ms * 1e6 } };
  void cluster.command('cluster.update', { version: meta.version, spec: next });
  // the next heartbeat of each node asks for another session
  await cluster.run(10_000);
}

/** How long a node is silent before it is down, ms. */
async function silence(cluster: Cluster, host: SimHost): Promise<number> {
  const before = cluster.clock.now();
  host.kill();
  const isDown = (): boolean => cluster.audit.store.node(host.id)?.status.state === 'down';
  await cluster.run(120_000, isDown);
  return cluster.clock.now() - before;
}

test('another period counts for the sessions that there are', async () => {
  const cluster = await buildCluster();
  const [, first, second, third] = cluster.hosts as [SimHost, SimHost, SimHost, SimHost];
  const at = [await silence(cluster, first)];
  await setPeriod(cluster, 20_000);
  at.push(await silence(cluster, second));
  await setPeriod(cluster, 2_000);
  at.push(await silence(cluster, third));
  cluster.end();
  // between 2.4 and 3.5 heartbeats, of which there are five in a period
  const inHeartbeats = [1_000, 4_000, 400].map((ms, i) => (at[i] ?? 0) / ms);
  for (const heartbeats of inHeartbeats) {
    expect(heartbeats).toBeGreaterThan(2.3);
    expect(heartbeats).toBeLessThan(3.8);
  }
});
