/** What an update of the cluster makes of its root, by the rules and in the words of swarmkit (swarm-compat §4.9). */
import { Fault } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Cluster, FormerRoot, RootRotation } from '../model/objects.ts';
import type { CaRequest } from '../spec/cluster.ts';
import { invalid } from '../spec/faults.ts';
import type { CaTools, RootMaterial } from './ports.ts';
import { externalUrls } from './signing.ts';

const yearMs = 365 * 24 * 3_600_000;

/** The part of the cluster that says what its root is. */
export type CaState = Pick<Cluster, 'rootCa' | 'rootRotation' | 'formerRoots'>;

export interface CaContext {
  readonly now: number;
  readonly ca: CaTools;
}

/** One decision: the cluster as it is, what is asked for, and both certificates in the form in which they compare. */
interface Case {
  readonly cluster: Cluster;
  readonly request: CaRequest;
  readonly ctx: CaContext;
  readonly present: string;
  readonly desired: string;
}

/**
 * The CA that `request` asks for. Nothing given and nothing forced: as it is. A certificate other than the present
 * root begins a rotation, in the place of one that runs; the present root's ends one. Throws Swarm's refusals.
 */
export function caAfter(cluster: Cluster, request: CaRequest, ctx: CaContext): CaState {
  const desired = ctx.ca.normalize(request.signingCert);
  if (request.signingKey !== '' && desired === '')
    throw invalid('if a signing CA key is provided, the signing CA cert must also be provided');
  // Swarm takes what it cannot read for nothing, and does nothing; the caller has asked for something, though.
  if (desired === '' && request.signingCert.trim() !== '')
    throw invalid('could not parse the desired CA certificate');
  const present = ctx.ca.normalize(cluster.rootCa.certPem);
  const it: Case = { cluster, request, ctx, present, desired };
  if (cluster.rootCa.keyPem === '') {
    if (desired === present && request.signingKey !== '') return keyBroughtBack(it);
    requireExternalCa(it, present, 'current');
  }
  return desired === '' ? afterNoCertificate(it) : afterCertificate(it);
}

const stateOf = ({ rootCa, rootRotation, formerRoots }: Cluster): CaState => ({
  rootCa,
  ...(rootRotation !== undefined && { rootRotation }),
  ...(formerRoots !== undefined && { formerRoots }),
});

const urlsFor = ({ request, present, ctx }: Case, rootPem: string): readonly string[] =>
  externalUrls(request.externalCas, rootPem, present, ctx.ca.normalize);

function requireExternalCa(it: Case, rootPem: string, which: string): void {
  const urls = urlsFor(it, rootPem);
  if (urls.length === 0 || !it.ctx.ca.externalAnswers(rootPem, urls))
    throw invalid(
      `there must be at least one valid, reachable external CA corresponding to the ${which} CA certificate`,
    );
}

/** The key of a root that only external CAs had: no certificate has to change for it. */
function keyBroughtBack(it: Case): CaState {
  const read = it.ctx.ca.readRoot(it.desired, it.request.signingKey);
  if (!read.ok) throw new Fault('Unknown', read.text);
  return settled(it, read.keyPem);
}

function afterNoCertificate(it: Case): CaState {
  const { cluster, request, ctx } = it;
  if (request.forceRotate !== (cluster.spec.CAConfig.ForceRotate ?? 0))
    return begun(it, ctx.ca.newRoot());
  const { rootRotation } = cluster;
  if (rootRotation !== undefined && rootRotation.keyPem === '')
    requireExternalCa(it, ctx.ca.normalize(rootRotation.certPem), 'next');
  return stateOf(cluster);
}

function afterCertificate(it: Case): CaState {
  const { cluster, request, ctx, desired, present } = it;
  const read = ctx.ca.readRoot(desired, request.signingKey);
  if (!read.ok) throw invalid(read.text);
  if (read.certificates !== 1)
    throw invalid('the desired CA certificate cannot contain multiple certificates');
  if (read.notAfter < ctx.now + yearMs) throw invalid('CA certificate expires too soon');
  if (read.keyPem === '') requireExternalCa(it, desired, 'desired');
  if (desired === present) return settled(it, read.keyPem);
  // Chains with two certificates of one key do not verify. Swarm compares the keys' texts; other texts may be the same key.
  if (read.issuer.publicKey === ctx.ca.issuerOf(present).publicKey)
    throw invalid('Cannot update to a cert with an identical key');
  const { rootRotation } = cluster;
  if (rootRotation !== undefined && ctx.ca.normalize(rootRotation.certPem) === desired)
    return { ...stateOf(cluster), rootRotation: { ...rootRotation, keyPem: read.keyPem } };
  return begun(it, { certPem: desired, keyPem: read.keyPem });
}

/** The present root stays, with this key; a rotation that ran is given up. */
function settled({ cluster, ctx }: Case, keyPem: string): CaState {
  const formerRoots = formerRootsOf(cluster, ctx, cluster.rootCa.certPem);
  return {
    rootCa: { ...cluster.rootCa, keyPem },
    ...(formerRoots !== undefined && { formerRoots }),
  };
}

function begun(it: Case, root: RootMaterial): CaState {
  const { cluster, ctx } = it;
  const rootRotation: RootRotation = {
    ...root,
    crossSignedPem: crossSigned(it, root),
    startedAt: ctx.now,
  };
  const formerRoots = formerRootsOf(cluster, ctx, root.certPem);
  return {
    rootCa: cluster.rootCa,
    rootRotation,
    ...(formerRoots !== undefined && { formerRoots }),
  };
}

/** By the present root, never by that of a rotation which runs: the present one is what everybody trusts. */
function crossSigned(it: Case, root: RootMaterial): string {
  const { cluster, ctx, present } = it;
  const { rootCa } = cluster;
  let pem: string | undefined;
  if (rootCa.keyPem !== '') pem = ctx.ca.crossSign(rootCa, root.certPem);
  else if (root.keyPem === '')
    throw invalid('rotating from one external CA to a different external CA is not supported');
  else pem = ctx.ca.externalCrossSign(present, urlsFor(it, present), root);
  if (pem === undefined)
    throw new Fault('Internal', 'unable to generate a cross-signed certificate for root rotation');
  return pem;
}

/** The roots given up so far, with that of the rotation that ends here and without the one that is wanted again. */
function formerRootsOf(
  cluster: Cluster,
  { now }: CaContext,
  wanted: string,
): readonly FormerRoot[] | undefined {
  const { rootRotation, formerRoots = [] } = cluster;
  const ended = rootRotation === undefined ? [] : [rootRotation.certPem];
  const kept = formerRoots.filter(({ certPem }) => certPem !== wanted && !ended.includes(certPem));
  const all = [
    ...kept,
    ...ended
      .filter((certPem) => certPem !== wanted)
      .map((certPem) => ({ certPem, retiredAt: now })),
  ];
  if (all.length > limits.formerRootsMax)
    throw new Fault(
      'FailedPrecondition',
      `${formerRoots.length} root rotations were given up one after the other and nodes may still have certificates of them; wait until every node has renewed its certificate`,
    );
  return all.length === 0 ? undefined : all;
}
