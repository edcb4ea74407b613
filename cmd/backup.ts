import { lockOf } from '../actors/node/log-place/log-offer.ts';
import { createPublicKey } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { decodeCheckpoint, encodeCheckpoint } from '../actors/manager/checkpoint.ts';
import { pack, unpack } from '../bus/codec.ts';
import type { Checkpoint } from '../bus/ports.ts';
import { authorityOf, certificateLifeMs, trustedRootsPem } from '../domain/ca/signing.ts';
import type { Node } from '../domain/model/objects.ts';
import { upgraded } from '../domain/format/format.ts';
import { backupFormat } from '../domain/format/formats.ts';
import { requireLevel } from '../domain/format/levels.ts';
import { Store } from '../domain/store/store.ts';
import {
  Authority,
  generateKeys,
  newKey,
  PkiError,
  privateKeyToPem,
  unwrap,
  wrap,
} from '../pki/mod.ts';
import { joinHostPort, resolveAdvertise, resolveListen } from './addresses.ts';
import type { Config } from './config.ts';
import { placeOf } from './found-cluster.ts';
import { beginGeneration } from './generation.ts';
import { applyLock } from './key-lock.ts';
import type { Identity } from '../actors/node/identity.ts';
import type { NodeFiles } from './node-files.ts';
import type { OwnAddresses } from '../actors/node/identity.ts';
import { newId } from './wiring.ts';
import { keysOfCertificate } from './own-certificate.ts';

/** The state of a cluster, as `natswarm backup` keeps it. */
export interface Backup extends Checkpoint {
  readonly version: number;
  readonly clusterId: string;
  /** Of the log that the state was in. */
  readonly generation: number;
  /** When it was taken, ms. */
  readonly at: number;
}

const purpose = 'backup';
/** The cluster that is restored may have gone on for long after the backup was taken: numbers that it gave are not given again. */
const recordsGap = 1e9;

export const packBackup = (backup: Backup): Uint8Array => pack(backup);

/** Throws an Error for what is no backup. */
export function unpackBackup(bytes: Uint8Array): Backup {
  const { version, ...content } = unpack(bytes) as Partial<Backup>;
  if (version === undefined) throw new Error('it is damaged');
  const { clusterId, generation, at, seq, hash, data }: Partial<Backup> = upgraded(
    backupFormat,
    version,
    content,
  );
  if (
    typeof clusterId !== 'string' ||
    typeof hash !== 'string' ||
    !(data instanceof Uint8Array) ||
    ![generation, at, seq].every(Number.isSafeInteger)
  )
    throw new Error('it is damaged');
  return { version, clusterId, generation, at, seq, hash, data } as Backup;
}

export const sealBackup = (bytes: Uint8Array, key: Buffer): Buffer => wrap(bytes, key, purpose);

/** Throws an Error that says what is wrong with the file or the key. */
export function openBackup(sealed: Uint8Array, key: Buffer): Backup {
  try {
    return unpackBackup(unwrap(sealed, key, purpose));
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    throw new Error('it is no backup, it is damaged, or this is not its key', { cause: error });
  }
}

/** What there is in a backup, for people. */
export function describeBackup({ data, seq, at }: Backup): string {
  const { objects } = decodeCheckpoint(data);
  const { node, service, task } = objects;
  return (
    `${node.length} nodes, ${service.length} services, ${task.length} tasks ` +
    `at index ${seq}, ${new Date(at).toISOString()}`
  );
}

/** What can be said against a restore before anybody looks for the key. Throws an Error. */
export function prepareRestore(files: NodeFiles, config: Config): OwnAddresses {
  if (files.identity() !== undefined)
    throw new Error('this host is part of a swarm; leave it with "docker swarm leave" first');
  const interfaces = networkInterfaces();
  const listen = resolveListen(config.listenAddr, interfaces);
  const advertise = resolveAdvertise(config.advertiseAddr, listen.port, interfaces, []);
  return {
    listenAddr: joinHostPort(listen),
    advertiseHost: advertise.host,
    advertisePort: advertise.port,
  };
}

/**
 * Makes this host the only manager of the cluster that the backup is of, as a new node: writes the files from which the
 * daemon starts. The identity comes last, so a restore that was cut off leaves the host outside. Throws an Error.
 */
export async function restoreBackup(
  backup: Backup,
  files: NodeFiles,
  config: Config,
  addresses: OwnAddresses,
  nowMs: number,
): Promise<Identity> {
  const state = decodeCheckpoint(backup.data);
  const store = Store.load(backup.seq, state.objects);
  const cluster = store.cluster();
  requireLevel(cluster, config.featureLevel);
  const authority = cluster && authorityOf(cluster);
  if (cluster === undefined || authority === undefined)
    throw new Error(
      'the root’s key is with an external CA, so nobody can be let in by this backup',
    );
  const generation = Math.max(backup.generation + 1, Math.floor(nowMs / 1_000));
  const { privateKey } = generateKeys();
  const founded = {
    nodeId: newId(),
    clusterId: cluster.id,
    ...addresses,
    generation,
    form: 'alone',
  } as const;
  const certificate = new Authority(authority).signNode({
    nodeId: founded.nodeId,
    role: 'manager',
    publicKey: createPublicKey(privateKey),
    validityMs: certificateLifeMs(cluster),
    nowMs,
  });
  const seq = backup.seq + recordsGap;
  const at = Math.max(state.at, nowMs);
  const object = managerNode(founded, config, certificate);
  store.apply({ index: seq, at, changes: [{ op: 'put', kind: 'node', object }] });

  files.wipe();
  files.prepare();
  applyLock(files, lockOf(store));
  files.writeCertificates({
    node: certificate,
    key: privateKeyToPem(privateKey),
    root: trustedRootsPem(cluster),
  });
  files.writeKeys({
    dataKey: newKey().toString('hex'),
    busIssuerSeed: cluster.busIssuerSeed,
  });
  const data = encodeCheckpoint({ ...state, at, objects: store.dump() });
  await beginGeneration(files, generation, { seq, hash: backup.hash, data });
  const identity = { ...founded, founding: { after: seq } };
  files.writeIdentity(identity);
  return identity;
}

const managerNode = (
  identity: Identity,
  config: Config,
  certificate: string,
): Omit<Node, 'meta'> => ({
  id: identity.nodeId,
  spec: { Labels: config.labels, Role: 'manager', Availability: 'active' },
  role: 'manager',
  status: { state: 'unknown', message: '', addr: identity.advertiseHost },
  ...keysOfCertificate(certificate),
  manager: { ...placeOf(identity, config), reachability: 'reachable' },
});
