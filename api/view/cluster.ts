import { wantedRootPem } from '../../domain/ca/signing.ts';
import type { Cluster } from '../../domain/model/objects.ts';
import type { ClusterSpec } from '../../domain/model/spec.ts';
import { filled, filledList, metaOf } from './meta.ts';

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
  ...readTlsInfo(wantedRootPem(cluster)),
  TrustRoot: cluster.rootCa.certPem,
});

/** ClusterInfo of Docker's API (swarm-compat §2.5), as /info shows it: without join tokens. */
export const clusterView = (cluster: Cluster, readTlsInfo: ReadTlsInfo) => ({
  ...metaOf(cluster),
  Spec: specView(cluster.spec),
  TLSInfo: tlsInfoOf(cluster, readTlsInfo),
  RootRotationInProgress: cluster.rootRotation !== undefined,
  DefaultAddrPool: cluster.defaultAddrPool.length === 0 ? null : cluster.defaultAddrPool,
  SubnetSize: cluster.subnetSize,
  DataPathPort: cluster.dataPathPort,
});

/** Swarm of Docker's API: GET /swarm. */
export const swarmView = (cluster: Cluster, readTlsInfo: ReadTlsInfo) => ({
  ...clusterView(cluster, readTlsInfo),
  JoinTokens: { Worker: cluster.rootCa.tokens.worker, Manager: cluster.rootCa.tokens.manager },
});
