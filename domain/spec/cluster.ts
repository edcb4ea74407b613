/** Swarm.Spec of Docker's API (swarm-compat §2.3, §2.5). */
import { limits } from '../limits.ts';
import type { ClusterSpec, ExternalCa } from '../model/spec.ts';
import type { TypeOf } from './decode.ts';
import {
  always,
  bool,
  decode,
  duration,
  int64,
  list,
  omitEmpty,
  pointer,
  stringMap,
  struct,
  text,
  uint32,
  uint64,
} from './decode.ts';
import { checkClusterLabels } from './cluster-labels.ts';
import { badRequest, invalid, notYet } from './faults.ts';
import { quote } from './go-text.ts';

const externalCaType = struct('swarm.ExternalCA', {
  Protocol: always(text('swarm.ExternalCAProtocol')),
  URL: always(text()),
  Options: omitEmpty(stringMap),
  CACert: always(text()),
});
export const clusterType = struct('swarm.Spec', {
  Name: always(text()),
  Labels: always(stringMap),
  Orchestration: always(
    struct('swarm.OrchestrationConfig', { TaskHistoryRetentionLimit: pointer(int64()) }),
  ),
  Raft: always(
    struct('swarm.RaftConfig', {
      SnapshotInterval: always(uint64),
      KeepOldSnapshots: pointer(uint64),
      LogEntriesForSlowFollowers: always(uint64),
      ElectionTick: always(int64('int')),
      HeartbeatTick: always(int64('int')),
    }),
  ),
  Dispatcher: always(struct('swarm.DispatcherConfig', { HeartbeatPeriod: always(duration) })),
  CAConfig: always(
    struct('swarm.CAConfig', {
      NodeCertExpiry: always(duration),
      ExternalCAs: omitEmpty(list(externalCaType, '[]*swarm.ExternalCA')),
      SigningCACert: always(text()),
      SigningCAKey: always(text()),
      ForceRotate: omitEmpty(uint64),
    }),
  ),
  // The log driver is accepted and ignored, as in Docker.
  TaskDefaults: always(
    struct('swarm.TaskDefaults', {
      LogDriver: pointer(
        struct('swarm.Driver', { Name: omitEmpty(text()), Options: omitEmpty(stringMap) }),
      ),
    }),
  ),
  EncryptionConfig: always(struct('swarm.EncryptionConfig', { AutoLockManagers: always(bool) })),
});
type Wire = TypeOf<typeof clusterType>;

const initType = struct('swarm.InitRequest', {
  ListenAddr: always(text()),
  AdvertiseAddr: always(text()),
  DataPathAddr: always(text()),
  DataPathPort: always(uint32(), 40),
  ForceNewCluster: always(bool),
  Spec: always(clusterType),
  AutoLockManagers: always(bool),
  Availability: always(text('swarm.NodeAvailability')),
  DefaultAddrPool: always(list(text()), 39),
  SubnetSize: always(uint32(), 39),
});

/** The body of POST /swarm/init with all fields. `Spec` can be given to `clusterSpecForInit`. */
export const decodeInitRequest = (input: unknown, apiVersion: string): TypeOf<typeof initType> =>
  decode(initType, input, apiVersion);

const second = 1e9;
const hour = 3600 * second;
const leastCertExpiry = hour;

/** Swarm's defaults; `swarm init` merges the client's spec over them. */
export const clusterDefaults: ClusterSpec = {
  Name: 'default',
  Labels: {},
  Orchestration: { TaskHistoryRetentionLimit: 5 },
  Raft: {
    SnapshotInterval: 10_000,
    KeepOldSnapshots: 0,
    LogEntriesForSlowFollowers: 500,
    ElectionTick: 10,
    HeartbeatTick: 1,
  },
  Dispatcher: { HeartbeatPeriod: 5 * second },
  CAConfig: { NodeCertExpiry: 90 * 24 * hour },
  TaskDefaults: {},
  EncryptionConfig: { AutoLockManagers: false },
};

/** What an update starts from: it is a complete replace, and absent numbers become 0. */
const blank: ClusterSpec = {
  ...clusterDefaults,
  Orchestration: { TaskHistoryRetentionLimit: 0 },
  Raft: {
    SnapshotInterval: 0,
    KeepOldSnapshots: 0,
    LogEntriesForSlowFollowers: 0,
    ElectionTick: 0,
    HeartbeatTick: 0,
  },
  Dispatcher: { HeartbeatPeriod: 0 },
  CAConfig: { NodeCertExpiry: 0 },
};

/** The protocol has passed `checkWire`, which looks at it without regard to case; it is shown as Docker shows it. */
const externalCaFrom = (ca: ExternalCa): ExternalCa => ({ ...ca, Protocol: 'cfssl' });

/** `wire` over `base`: zero stands for "leave it", except where the wire can tell nil from zero. */
function merge(wire: Wire, base: ClusterSpec): ClusterSpec {
  const { Raft, CAConfig } = wire;
  const limit = wire.Orchestration.TaskHistoryRetentionLimit;
  return {
    Name: 'default',
    Labels: wire.Labels,
    Orchestration: {
      TaskHistoryRetentionLimit: limit ?? base.Orchestration.TaskHistoryRetentionLimit,
    },
    Raft: {
      SnapshotInterval: Raft.SnapshotInterval || base.Raft.SnapshotInterval,
      KeepOldSnapshots: Raft.KeepOldSnapshots ?? base.Raft.KeepOldSnapshots,
      LogEntriesForSlowFollowers:
        Raft.LogEntriesForSlowFollowers || base.Raft.LogEntriesForSlowFollowers,
      ElectionTick: Raft.ElectionTick || base.Raft.ElectionTick,
      HeartbeatTick: Raft.HeartbeatTick || base.Raft.HeartbeatTick,
    },
    Dispatcher: {
      HeartbeatPeriod: wire.Dispatcher.HeartbeatPeriod || base.Dispatcher.HeartbeatPeriod,
    },
    CAConfig: {
      NodeCertExpiry: CAConfig.NodeCertExpiry || base.CAConfig.NodeCertExpiry,
      ...(CAConfig.ExternalCAs === undefined
        ? {}
        : { ExternalCAs: CAConfig.ExternalCAs.map(externalCaFrom) }),
      ...(CAConfig.ForceRotate === undefined ? {} : { ForceRotate: CAConfig.ForceRotate }),
    },
    TaskDefaults: {},
    EncryptionConfig: wire.EncryptionConfig,
  };
}

function checkWire(wire: Wire): void {
  if (wire.Name !== '' && wire.Name !== 'default')
    throw badRequest('swarm spec must be named "default"');
  const other = wire.CAConfig.ExternalCAs?.find((ca) => ca.Protocol.toLowerCase() !== 'cfssl');
  if (other !== undefined) throw badRequest(`invalid protocol: ${quote(other.Protocol)}`);
  if ((wire.CAConfig.ExternalCAs?.length ?? 0) > limits.externalCasMax)
    throw invalid(`at most ${limits.externalCasMax} external CAs can be given`);
}

function checkRules(spec: ClusterSpec): void {
  const { NodeCertExpiry } = spec.CAConfig;
  if (NodeCertExpiry !== 0 && NodeCertExpiry < leastCertExpiry)
    throw invalid('minimum certificate expiry time is: 1h0m0s');
  if (spec.Dispatcher.HeartbeatPeriod < 0)
    throw invalid('heartbeat time period cannot be a negative duration');
  checkClusterLabels(spec.Labels);
}

/** What a spec asks of the CA beyond what is kept of it: the signing key is stored with the root, and nowhere else. */
export interface CaRequest {
  readonly signingCert: string;
  readonly signingKey: string;
  readonly forceRotate: number;
  readonly externalCas: readonly ExternalCa[];
}

const caRequestOf = ({ CAConfig }: Wire): CaRequest => ({
  signingCert: CAConfig.SigningCACert,
  signingKey: CAConfig.SigningCAKey,
  forceRotate: CAConfig.ForceRotate ?? 0,
  externalCas: CAConfig.ExternalCAs?.map(externalCaFrom) ?? [],
});

/** Refuses what needs a CA's tools, where there are none; `rotations` is the cluster's present ForceRotate count. */
export function refuseCaRequest(request: CaRequest, rotations: number): void {
  if (request.externalCas.length > 0) throw notYet('external CAs are');
  refuseRotation(request, rotations);
}

function refuseRotation(request: CaRequest, rotations: number): void {
  if (request.signingCert !== '' || request.signingKey !== '' || request.forceRotate !== rotations)
    throw notYet('rotation of the root CA is');
}

function specFrom(input: unknown, base: ClusterSpec): { spec: ClusterSpec; ca: CaRequest } {
  const wire = decode(clusterType, input);
  checkWire(wire);
  const spec = merge(wire, base);
  checkRules(spec);
  return { spec, ca: caRequestOf(wire) };
}

/**
 * The spec of a new cluster: `input` (Swarm.Spec as sent) over the defaults. A new cluster has a root and a key of its
 * own; external CAs sign for it from then on, if they have that root, or once it is rotated to theirs. With another `base`:
 * of a cluster that there is.
 */
export function clusterSpecForInit(input: unknown, base = clusterDefaults): ClusterSpec {
  const { spec, ca } = specFrom(input, base);
  refuseRotation(ca, 0);
  return spec;
}

/** The spec that an update puts in place of the present one, and what it asks of the CA. */
export const clusterSpecForUpdate = (
  input: unknown,
): { readonly spec: ClusterSpec; readonly ca: CaRequest } => specFrom(input, blank);
