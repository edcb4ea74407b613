import { type CaState, caAfter } from '../ca/rotation.ts';
import type { Cluster } from '../model/objects.ts';
import { type CaRequest, clusterSpecForUpdate, refuseCaRequest } from '../spec/cluster.ts';
import { Body } from './body.ts';
import type { Command, CommandContext } from './command.ts';
import { checkVersion, notFound } from './faults.ts';

/** Tokens name the root that joiners see, which is the present one until a rotation has ended. */
function withTokens(cluster: Cluster, body: Body, ctx: CommandContext): Cluster {
  const worker = body.flag('rotateWorkerToken');
  const manager = body.flag('rotateManagerToken');
  if (!worker && !manager) return cluster;
  const { certPem, tokens } = cluster.rootCa;
  const rootCa = {
    ...cluster.rootCa,
    tokens: {
      worker: worker ? ctx.newJoinToken('worker', certPem) : tokens.worker,
      manager: manager ? ctx.newJoinToken('manager', certPem) : tokens.manager,
    },
  };
  return { ...cluster, rootCa };
}

/** There is an unlock key while managers lock themselves, a new one whenever they begin to (swarmkit's UpdateCluster). */
function unlockKeyAfter(
  { unlockKey }: Cluster,
  isLocking: boolean,
  rotate: boolean,
  ctx: CommandContext,
): string | undefined {
  if (!isLocking) return undefined;
  return unlockKey === undefined || rotate ? ctx.newUnlockKey() : unlockKey;
}

/** The fields of the CA that change; one that goes is there as undefined. */
function caFields(
  cluster: Cluster,
  changed: Cluster,
  request: CaRequest,
  ctx: CommandContext,
): { readonly [F in keyof CaState]?: CaState[F] | undefined } {
  if (ctx.ca === undefined) refuseCaRequest(request, cluster.spec.CAConfig.ForceRotate ?? 0);
  const next: CaState =
    ctx.ca === undefined ? changed : caAfter(changed, request, { now: ctx.now, ca: ctx.ca });
  return {
    ...(next.rootCa !== cluster.rootCa && { rootCa: next.rootCa }),
    ...(next.rootRotation !== cluster.rootRotation && { rootRotation: next.rootRotation }),
    ...(next.formerRoots !== cluster.formerRoots && { formerRoots: next.formerRoots }),
  };
}

/**
 * `{version, spec, rotateWorkerToken?, rotateManagerToken?, rotateManagerUnlockKey?}` → `{}`; the spec replaces the
 * old one. What it says of the CA may begin, replace or end a rotation of the root. Without autolock there is no unlock
 * key, and rotating it does nothing, as in Swarm.
 */
export const clusterUpdate: Command = {
  decide(view, ctx, input) {
    const body = new Body('cluster.update', input);
    const cluster = view.cluster();
    if (cluster === undefined) throw notFound('cluster', 'default');
    const { spec, ca } = clusterSpecForUpdate(body.raw('spec'));
    const rotate = body.flag('rotateManagerUnlockKey');
    const unlockKey = unlockKeyAfter(cluster, spec.EncryptionConfig.AutoLockManagers, rotate, ctx);
    const fields = {
      spec,
      ...(unlockKey !== cluster.unlockKey && { unlockKey }),
      ...caFields(cluster, withTokens(cluster, body, ctx), ca, ctx),
    };
    checkVersion(cluster, body.version());
    return {
      changes: [{ op: 'patch', kind: 'cluster', id: cluster.id, fields }],
      result: {},
    };
  },
};
