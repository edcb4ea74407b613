import type { Cluster } from '../model/objects.ts';
import type { ExternalCa } from '../model/spec.ts';
import type { CaTools } from './ports.ts';

/** What pki's `Authority` is made from. */
export interface AuthorityMaterial {
  readonly clusterId: string;
  readonly rootCertPem: string;
  readonly rootKeyPem: string;
  readonly intermediatePem?: string;
}

/** How the cluster's certificates are issued now. */
export type Signing =
  | { readonly by: 'key'; readonly material: AuthorityMaterial }
  | {
      readonly by: 'external';
      readonly clusterId: string;
      /** The root that certificates must be of. */
      readonly rootCertPem: string;
      /** Tried in this order; empty if the spec has lost its external CAs, and then nothing can be issued. */
      readonly urls: readonly string[];
      /** What the external CA's own certificate must be of. */
      readonly trustedRootsPem: string;
      /** To be sent along with every certificate. */
      readonly intermediatePem: string;
    };

/** The root that certificates are issued by: during a rotation the new one. */
export const wantedRootPem = (cluster: Cluster): string =>
  cluster.rootRotation?.certPem ?? cluster.rootCa.certPem;

/**
 * The roots that everybody in the cluster trusts, each once, the present one first (it is what Docker calls the trust
 * root). During a rotation the new one is among them, so that its certificates need no intermediate inside the cluster.
 */
export function trustedRootsPem(cluster: Cluster): string {
  const { rootCa, rootRotation, formerRoots = [] } = cluster;
  const all = [rootCa.certPem, rootRotation?.certPem ?? '', ...formerRoots.map((r) => r.certPem)];
  return [...new Set(all)].join('');
}

/** What this cluster's managers sign with; undefined if only external CAs have the key. */
export function authorityOf(cluster: Cluster): AuthorityMaterial | undefined {
  const { id, rootCa, rootRotation } = cluster;
  const { certPem, keyPem } = rootRotation ?? rootCa;
  if (keyPem === '') return undefined;
  return {
    clusterId: id,
    rootCertPem: certPem,
    rootKeyPem: keyPem,
    ...(rootRotation !== undefined && { intermediatePem: rootRotation.crossSignedPem }),
  };
}

const defaultLifeMs = 90 * 24 * 3_600_000;

/** How long certificates are good for from now on. An update that says nothing of it makes it 0, which is the default. */
export const certificateLifeMs = ({ spec }: Pick<Cluster, 'spec'>): number =>
  spec.CAConfig.NodeCertExpiry / 1e6 || defaultLifeMs;

/** The addresses of the external CAs that have the key of `rootPem`; those that name no root are the present root's. */
export const externalUrls = (
  cas: readonly ExternalCa[],
  rootPem: string,
  presentRootPem: string,
  normalize: CaTools['normalize'],
): readonly string[] => {
  const wanted = normalize(rootPem);
  return cas
    .filter(({ CACert }) => normalize(CACert || presentRootPem) === wanted)
    .map(({ URL }) => URL);
};

/** External CAs come first, even where the cluster has the key itself, as in Swarm. */
export function signingOf(cluster: Cluster, normalize: CaTools['normalize']): Signing {
  const rootCertPem = wantedRootPem(cluster);
  const cas = cluster.spec.CAConfig.ExternalCAs ?? [];
  const urls = externalUrls(cas, rootCertPem, cluster.rootCa.certPem, normalize);
  const material = authorityOf(cluster);
  if (urls.length === 0 && material !== undefined) return { by: 'key', material };
  return {
    by: 'external',
    clusterId: cluster.id,
    rootCertPem,
    urls,
    trustedRootsPem: trustedRootsPem(cluster),
    intermediatePem: cluster.rootRotation?.crossSignedPem ?? '',
  };
}
