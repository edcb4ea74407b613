import { wantedRootPem } from '../../domain/ca/signing.ts';
import type { Cluster } from '../../domain/model/objects.ts';
import type { ClusterSpec } from '../../domain/model/spec.ts';
import { filled, filledList, metaOf } from './meta.ts';
import { countOf, fieldsOf, readClusterSpec, textOf } from './readable.ts';

/** TLSInfo of Docker's API. */
export interface TlsInfo {
  readonly TrustRoot: string;
  readonly CertIssuerSubject: string;
  readonly CertIssuerPublicKey: string;
}
/** Reads a root certificate (PEM). */
export type ReadTlsInfo = (certPem: string) => TlsInfo;

/** The spec as Docker shows it: without the signing key, whatever is stored. */
function specView(spec: ClusterSpec) {
  const { Raft, CAConfig } = spec;
  return {
    ...filled('Name', spec.Name),
    Labels: spec.Labels,
    Orchestration: { TaskHistoryRetentionLimit: spec.Orchestration.TaskHistoryRetentionLimit },
    Raft: {
      ...filled('SnapshotInterval', Raft.SnapshotInterval),
      KeepOldSnapshots: Raft.KeepOldSnapshots,
      ...filled('LogEntriesForSlowFollowers', Raft.LogEntriesForSlowFollowers),
      ElectionTick: Raft.ElectionTick,
      HeartbeatTick: Raft.HeartbeatTick,
    },
    Dispatcher: filled('HeartbeatPeriod', spec.Dispatcher.HeartbeatPeriod),
    CAConfig: {
      ...filled('NodeCertExpiry', CAConfig.NodeCertExpiry),
      ...filledList('ExternalCAs', CAConfig.ExternalCAs),
      ...filled('ForceRotate', CAConfig.ForceRotate),
    },
    TaskDefaults: {},
    EncryptionConfig: { AutoLockManagers: spec.EncryptionConfig.AutoLockManagers },
  };
}

/**
 * During a rotation the issuer is the new root already and the trust root still the present one, as in Swarm: by that
 * `docker swarm ca --rotate` counts the nodes that have renewed, and then those that trust the new root.
 */
const tlsInfoOf = (cluster: Cluster, readTlsInfo: ReadTlsInfo): TlsInfo => ({
  ...issuerOf(cluster, readTlsInfo),
  TrustRoot: textOf(fieldsOf(cluster.rootCa)['certPem']),
});

/** A certificate that cannot be read names no issuer. */
function issuerOf(cluster: Cluster, readTlsInfo: ReadTlsInfo): Omit<TlsInfo, 'TrustRoot'> {
  try {
    return readTlsInfo(wantedRootPem(cluster));
  } catch {
    return { CertIssuerSubject: '', CertIssuerPublicKey: '' };
  }
}

function poolView(stored: unknown): readonly string[] | null {
  const pool = Array.isArray(stored) ? stored.filter((item) => typeof item === 'string') : [];
  return pool.length === 0 ? null : pool;
}

/** ClusterInfo of Docker's API (swarm-compat §2.5), as /info shows it: without join tokens. */
export const clusterView = (cluster: Cluster, readTlsInfo: ReadTlsInfo) => ({
  ...metaOf(cluster),
  Spec: specView(readClusterSpec(cluster.spec)),
  TLSInfo: tlsInfoOf(cluster, readTlsInfo),
  RootRotationInProgress: cluster.rootRotation !== undefined,
  DefaultAddrPool: poolView(cluster.defaultAddrPool),
  SubnetSize: countOf(cluster.subnetSize),
  DataPathPort: countOf(cluster.dataPathPort),
});

/** Swarm of Docker's API: GET /swarm. */
export const swarmView = (cluster: Cluster, readTlsInfo: ReadTlsInfo) => ({
  ...clusterView(cluster, readTlsInfo),
  JoinTokens: tokensView(fieldsOf(fieldsOf(cluster.rootCa)['tokens'])),
});

const tokensView = ({ worker, manager }: Readonly<Record<string, unknown>>) => ({
  Worker: textOf(worker),
  Manager: textOf(manager),
});
