import { isIP } from 'node:net';
import type { InitRequest } from '../domain/members/requests.ts';
import { daemonFault } from '../domain/errors.ts';
import type { ManagerTold, NodeDescription } from '../domain/model/objects.ts';
import type { Availability, ClusterSpec, Labels } from '../domain/model/spec.ts';
import { clusterSpecForInit } from '../domain/spec/cluster.ts';
import { availabilityFrom } from '../domain/spec/node.ts';
import type { Change } from '../domain/store/changes.ts';
import {
  Authority,
  createCluster,
  createNKey,
  formatUnlockKey,
  generateKeys,
  makeJoinToken,
  newJoinSecret,
  newKey,
  privateKeyToPem,
  seedOf,
} from '../pki/mod.ts';
import { joinHostPort } from './addresses.ts';
import type { Config } from './config.ts';
import type { Identity } from '../actors/node/identity.ts';
import type { ManagerKeys } from './node-files.ts';
import type { OwnAddresses } from '../actors/node/identity.ts';
import { newId } from './wiring.ts';
import { keysOfCertificate } from './own-certificate.ts';

/** Everything that `swarm init` draws up before anything runs. */
export interface NewCluster {
  readonly identity: Identity;
  readonly keys: ManagerKeys;
  readonly certificates: { readonly node: string; readonly key: string; readonly root: string };
  readonly rootKeyPem: string;
  readonly spec: ClusterSpec;
  readonly unlockKey?: string;
  readonly availability: Availability;
  readonly labels: Labels;
  readonly addresses: {
    readonly defaultAddrPool: readonly string[];
    readonly subnetSize: number;
    readonly dataPathPort: number;
  };
}

const defaults = { pool: ['10.0.0.0/8'], subnetSize: 24, dataPathPort: 4789 } as const;
const subnetSizeMax = 29;
const dataPathPorts = { min: 1024, max: 49151 } as const;

/** Checks the request in the order of Docker's daemon, with its texts, and draws ids, keys and certificates. */
export async function newIdentity(
  request: InitRequest,
  nowMs: number,
  resolveAddresses: () => Promise<OwnAddresses>,
  labels: Labels,
): Promise<NewCluster> {
  if (request.listenAddr === '')
    throw daemonFault('InvalidArgument', 'invalid ListenAddr "": invalid empty address');
  const given = clusterSpecForInit(request.spec);
  const AutoLockManagers = request.autoLockManagers || given.EncryptionConfig.AutoLockManagers;
  const spec = { ...given, EncryptionConfig: { AutoLockManagers } };
  const availability = availabilityFrom(request.availability || 'active');
  const own = await resolveAddresses();
  const addresses = {
    defaultAddrPool:
      request.defaultAddrPool.length > 0 ? request.defaultAddrPool : [...defaults.pool],
    subnetSize: subnetSizeFrom(request),
    dataPathPort: dataPathPortFrom(request.dataPathPort),
  };
  const clusterId = newId();
  const nodeId = newId();
  const material = createCluster({ clusterId, nowMs });
  const { privateKey, publicKey } = generateKeys();
  const certificate = new Authority(material).signNode({
    nodeId,
    role: 'manager',
    publicKey,
    validityMs: spec.CAConfig.NodeCertExpiry / 1e6,
    nowMs,
  });
  return {
    identity: {
      nodeId,
      clusterId,
      ...own,
      generation: 1,
    },
    keys: {
      dataKey: newKey().toString('hex'),
      busIssuerSeed: seedOf(createNKey('account')),
    },
    certificates: {
      node: certificate,
      key: privateKeyToPem(privateKey),
      root: material.rootCertPem,
    },
    rootKeyPem: material.rootKeyPem,
    spec,
    ...(AutoLockManagers && { unlockKey: formatUnlockKey(newKey()) }),
    availability,
    labels,
    addresses,
  };
}

/** Where other nodes find a manager. */
export const placeOf = (
  { advertiseHost: host, advertisePort }: Identity,
  { busPort, routePort, featureLevel }: Pick<Config, 'busPort' | 'routePort' | 'featureLevel'>,
): ManagerTold => ({
  addr: joinHostPort({ host, port: advertisePort }),
  bus: joinHostPort({ host, port: String(busPort) }),
  route: joinHostPort({ host, port: String(routePort) }),
  featureLevel,
});

/** The log's first transaction: the cluster and this node, its only manager. */
export function firstObjects(
  cluster: NewCluster,
  description: NodeDescription,
  place: ManagerTold,
): readonly Change[] {
  const { identity, certificates } = cluster;
  const token = (): string => makeJoinToken(certificates.root, newJoinSecret());
  return [
    {
      op: 'put',
      kind: 'cluster',
      object: {
        id: identity.clusterId,
        spec: cluster.spec,
        rootCa: {
          certPem: certificates.root,
          keyPem: cluster.rootKeyPem,
          tokens: { worker: token(), manager: token() },
        },
        busIssuerSeed: cluster.keys.busIssuerSeed,
        ...(place.featureLevel !== undefined && { featureLevel: place.featureLevel }),
        ...(cluster.unlockKey !== undefined && { unlockKey: cluster.unlockKey }),
        ...cluster.addresses,
      },
    },
    {
      op: 'put',
      kind: 'node',
      object: {
        id: identity.nodeId,
        spec: { Labels: cluster.labels, Role: 'manager', Availability: cluster.availability },
        role: 'manager',
        description,
        status: { state: 'ready', message: '', addr: identity.advertiseHost },
        ...keysOfCertificate(certificates.node),
        manager: { ...place, reachability: 'reachable' },
      },
    },
  ];
}

/** As Docker's daemon, the size is checked only along with pools. */
function subnetSizeFrom({ subnetSize, defaultAddrPool }: InitRequest): number {
  if (defaultAddrPool.length === 0) return subnetSize === 0 ? defaults.subnetSize : subnetSize;
  const size = subnetSize === 0 ? defaults.subnetSize : subnetSize;
  if (size > subnetSizeMax) throw daemonFault('Unknown', `subnet size is out of range: ${size}`);
  for (const pool of defaultAddrPool) {
    const [net = '', bits = ''] = pool.split('/');
    if (isIP(net) === 0 || !/^\d{1,3}$/.test(bits))
      throw daemonFault('Unknown', `invalid base pool ${pool}: invalid CIDR address: ${pool}`);
    if (Number(bits) > size)
      throw daemonFault(
        'Unknown',
        `invalid CIDR: "${pool}". Subnet size is too small for pool: ${size}`,
      );
  }
  return size;
}

function dataPathPortFrom(port: number): number {
  if (port === 0) return defaults.dataPathPort;
  if (port < dataPathPorts.min || port > dataPathPorts.max)
    throw daemonFault(
      'Unknown',
      `Datapath port number is not in valid range (${dataPathPorts.min}-${dataPathPorts.max}) : ${port}`,
    );
  return port;
}
