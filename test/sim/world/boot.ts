import { Violation } from '../check/violation.ts';
import type { Cluster } from './cluster.ts';

const bootLimitMs = 60_000;

/** Starts the daemons and founds the cluster. */
export async function boot(cluster: Cluster): Promise<void> {
  for (const host of cluster.hosts) host.start();
  await cluster.run(1);
  let founded = false;
  const changes = cluster.firstObjects();
  cluster.managers[0]?.manager
    ?.propose(() => ({ changes, result: undefined }))
    .then(
      () => (founded = true),
      (error: unknown) => cluster.fail(error),
    );
  await cluster.run(bootLimitMs, () => founded);
  if (!founded) throw new Violation('boot', 'the cluster was not founded');
}
