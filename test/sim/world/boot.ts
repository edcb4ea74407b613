import type { Change } from '../../../domain/store/changes.ts';
import { Violation } from '../check/violation.ts';
import type { Cluster } from './cluster.ts';

const bootLimitMs = 60_000;

/** Starts the daemons and founds the cluster; the other managers join one after the other. */
export async function boot(cluster: Cluster): Promise<void> {
  const [founder, ...others] = cluster.managers;
  if (founder === undefined) return;
  founder.hasJoined = true;
  for (const host of cluster.hosts) host.start();
  await cluster.run(1);
  await commit(cluster, cluster.firstObjects());
  for (const host of others) {
    await commit(cluster, [cluster.nodeObject(host)]);
    host.hasJoined = true;
    host.start();
  }
}

async function commit(cluster: Cluster, changes: readonly Change[]): Promise<void> {
  let done = false;
  cluster.managers[0]?.manager
    ?.propose(() => ({ changes, result: undefined }))
    .then(
      () => (done = true),
      (error: unknown) => cluster.fail(error),
    );
  await cluster.run(bootLimitMs, () => done);
  if (!done) throw new Violation('boot', 'the cluster was not founded');
}
