import { compareText } from '../ids.ts';
import { limits } from '../limits.ts';
import type { Cluster, Node } from '../model/objects.ts';
import type { NodeRole } from '../model/spec.ts';
import type { Plan } from '../orchestrate/plan.ts';
import type { Change } from '../store/changes.ts';
import type { View } from '../store/view.ts';
import type { CaTools, Issuer } from './ports.ts';
import { wantedRootPem } from './signing.ts';

export interface RotationContext {
  readonly now: number;
  /** A new join token for a cluster with this root. */
  readonly newJoinToken: (role: NodeRole, rootPem: string) => string;
  readonly ca: Pick<CaTools, 'issuerOf'>;
}

export interface RotationPlan extends Plan {
  /** Nodes to be told now to get a new certificate; they may be told twice. */
  readonly renew: readonly string[];
}

/** Whether the certificate that the node uses, as far as it has said, is one of this root's. */
export function hasIssuer(node: Node, { subject, publicKey }: Issuer): boolean {
  const tls = node.description?.tls;
  return tls !== undefined && tls.issuerSubject === subject && tls.issuerPublicKey === publicKey;
}

/**
 * The way of all nodes to the root that is wanted, and the end of it. A rotation ends when the certificate of every
 * node that is a member is of the new root, whether the node is up or not (as in Swarm): one that is off would trust
 * nobody when it comes back. Then the new root is the only one, and the tokens, which name the root, are made again.
 * Called when the cluster or a node's certificate changed, after a change of leader, and at `wakeAt`.
 */
export function planRotation(view: View, ctx: RotationContext): RotationPlan {
  const cluster = view.cluster();
  if (cluster === undefined) return { changes: [], renew: [] };
  const { rootRotation, formerRoots } = cluster;
  if (rootRotation === undefined && formerRoots === undefined) return { changes: [], renew: [] };
  const wanted = ctx.ca.issuerOf(wantedRootPem(cluster));
  const behind = [...view.list('node')].filter((node) => isBehind(cluster, node, wanted));
  if (behind.length > 0) return nextBatch(behind, ctx.now);
  return {
    ...(rootRotation === undefined ? forget(cluster, ctx) : finish(cluster, ctx)),
    renew: [],
  };
}

/** After a rotation was given up, a node that has never said what its certificate is holds nothing up. */
const isBehind = (cluster: Cluster, node: Node, wanted: Issuer): boolean =>
  !hasIssuer(node, wanted) &&
  (cluster.rootRotation !== undefined || node.description?.tls !== undefined);

/**
 * Some of the nodes that can hear it. Each round begins where the last one ended, without anything remembered: nodes
 * that do not manage to renew must not keep others from their turn.
 */
function nextBatch(behind: readonly Node[], now: number): RotationPlan {
  const { rotationBatchNodesMax: size, rotationRoundMs } = limits;
  const ids = behind
    .filter(({ status }) => status.state === 'ready')
    .map(({ id }) => id)
    .sort(compareText);
  const round = Math.floor(now / rotationRoundMs);
  const batches = Math.ceil(ids.length / size);
  const first = batches === 0 ? 0 : (round % batches) * size;
  return {
    changes: [],
    renew: ids.slice(first, first + size),
    wakeAt: (round + 1) * rotationRoundMs,
    reasons: [`nodes without a certificate of the wanted root (${behind.length})`],
  };
}

function finish({ id, rootRotation }: Cluster, ctx: RotationContext): Plan {
  if (rootRotation === undefined) return { changes: [] };
  const { certPem, keyPem } = rootRotation;
  const tokens = {
    worker: ctx.newJoinToken('worker', certPem),
    manager: ctx.newJoinToken('manager', certPem),
  };
  const fields = { rootCa: { certPem, keyPem, tokens }, rootRotation: undefined };
  return { changes: [{ op: 'patch', kind: 'cluster', id, fields }] };
}

/**
 * Roots given up earlier are trusted no more. Not at once: a node may have got a certificate of one in the moment in
 * which it was given up, and not have said so yet.
 */
function forget({ id, formerRoots = [] }: Cluster, { now }: RotationContext): Plan {
  const endsAt = Math.max(...formerRoots.map((r) => r.retiredAt)) + limits.formerRootKeptMs;
  if (now < endsAt) return { changes: [], wakeAt: endsAt };
  const change: Change = { op: 'patch', kind: 'cluster', id, fields: { formerRoots: undefined } };
  return { changes: [change] };
}
