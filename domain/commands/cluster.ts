import type { Cluster } from '../model/objects.ts';
import { clusterSpecForUpdate } from '../spec/cluster.ts';
import { Body } from './body.ts';
import type { Command, CommandContext } from './command.ts';
import { checkVersion, notFound } from './faults.ts';

function rotated(cluster: Cluster, body: Body, ctx: CommandContext): Cluster['rootCa'] | undefined {
  const worker = body.flag('rotateWorkerToken');
  const manager = body.flag('rotateManagerToken');
  if (!worker && !manager) return undefined;
  const { tokens } = cluster.rootCa;
  return {
    ...cluster.rootCa,
    tokens: {
      worker: worker ? ctx.newJoinToken('worker') : tokens.worker,
      manager: manager ? ctx.newJoinToken('manager') : tokens.manager,
    },
  };
}

/**
 * `{version, spec, rotateWorkerToken?, rotateManagerToken?, rotateManagerUnlockKey?}` → `{}`; the spec replaces the
 * old one. Without autolock there is no unlock key, and rotating it does nothing, as in Swarm.
 */
export const clusterUpdate: Command = {
  decide(view, ctx, input) {
    const body = new Body('cluster.update', input);
    const cluster = view.cluster();
    if (cluster === undefined) throw notFound('cluster', 'default');
    const spec = clusterSpecForUpdate(body.raw('spec'), cluster.spec);
    body.flag('rotateManagerUnlockKey');
    const rootCa = rotated(cluster, body, ctx);
    checkVersion(cluster, body.version());
    const fields = rootCa === undefined ? { spec } : { spec, rootCa };
    return {
      changes: [{ op: 'patch', kind: 'cluster', id: cluster.id, fields }],
      result: {},
    };
  },
};
