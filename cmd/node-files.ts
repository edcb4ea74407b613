import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import type { Identity } from '../actors/node/identity.ts';
import type { LeaderTerm } from '../bus/protocol.ts';
import type { ManagerAddress } from '../domain/ca/membership.ts';
import { limits } from '../domain/limits.ts';
import type { RoutePeer } from '../domain/members/form.ts';
import {
  generateKeys,
  isSealedPem,
  openKeyPem,
  PkiError,
  privateKeyToPem,
  sealKeyPem,
  unwrap,
  wrap,
} from '../pki/mod.ts';

/** Keys that a manager needs before it can read the log. */
export interface ManagerKeys {
  /** Encrypts nats-server's store and the journal: 32 bytes, hex. */
  readonly dataKey: string;
  /** nkey seed of the account that signs the bus' user JWTs. */
  readonly busIssuerSeed: string;
}

/** keys.json: in the clear, or wrapped with the cluster's unlock key. `version`: of the cluster that said so. */
type StoredKeys = (ManagerKeys | { readonly locked: string }) & { readonly version?: number };
const isWrapped = (stored: StoredKeys): stored is { readonly locked: string } => 'locked' in stored;
const lockPurpose = 'manager keys';

const managerFiles = [
  'keys.json',
  'peers.json',
  'starts.json',
  'seen.json',
  'store',
  'journal',
  'aside',
] as const;

/** PEM texts. */
export interface Certificates {
  readonly node: string;
  readonly key: string;
  readonly root: string;
}

/**
 * The node's files under the state directory. Certificates have Swarm's names. Everything is written to a temporary
 * file, synced and renamed; keys are 0600 and directories 0700.
 */
export class NodeFiles {
  readonly #dir: string;
  readonly #onCertificates = new Set<() => void>();
  readonly #onPeers = new Set<() => void>();
  /** What the keys on the disk are encrypted with, as far as this process knows; undefined: nothing. */
  #unlockKey: Buffer | undefined;
  #lockVersion = 0;
  /** Locking has begun, and no keys have been written since. */
  #isLockNew = false;

  constructor(stateDir: string) {
    this.#dir = stateDir;
  }

  readonly certificates = {
    node: (): string => join(this.#dir, 'certificates', 'swarm-node.crt'),
    key: (): string => join(this.#dir, 'certificates', 'swarm-node.key'),
    root: (): string => join(this.#dir, 'certificates', 'swarm-root-ca.crt'),
    /** Of the renewal that has begun and has not ended. */
    pendingKey: (): string => join(this.#dir, 'certificates', 'swarm-node.pending.key'),
  };
  path(...names: string[]): string {
    return join(this.#dir, ...names);
  }

  /** Undefined outside a swarm. Written last at init, so an init that was cut off leaves the node outside. */
  identity(): Identity | undefined {
    return this.#read<Identity>('node.json');
  }
  /** Undefined where there are none yet. Throws while they are locked. */
  keys(): ManagerKeys | undefined {
    const stored = this.#read<StoredKeys>('keys.json');
    if (stored === undefined || !isWrapped(stored)) return stored;
    if (this.#unlockKey === undefined) throw new Error(`${this.path('keys.json')} is locked`);
    return unwrapKeys(stored.locked, this.#unlockKey);
  }
  /** Throws where there are none, and while they are locked. */
  mustKeys(): ManagerKeys {
    const keys = this.keys();
    if (keys === undefined) throw new Error(`${this.path('keys.json')} is missing`);
    return keys;
  }
  certificate(name: 'node' | 'key' | 'root'): string {
    return name === 'key'
      ? this.#openKey(this.certificates.key())
      : readFileSync(this.certificates[name](), 'utf8');
  }
  /** The key of the renewal that has begun and has not ended; undefined while there is none. */
  pendingKey(): string | undefined {
    const file = this.certificates.pendingKey();
    return existsSync(file) ? this.#openKey(file) : undefined;
  }
  /**
   * The key to ask for a certificate with. It is kept until a certificate is there, over tries and restarts: each key
   * that was asked for may come to be the one in use, and other managers must know all of them.
   */
  beginRenewal(): string {
    return this.pendingKey() ?? this.#drawPendingKey();
  }

  /** The keys lie on the disk under an unlock key. */
  locks(): boolean {
    return this.#unlockKey !== undefined;
  }
  /** Nothing of this manager can be read before `unlock`. */
  isLocked(): boolean {
    const stored = this.#read<StoredKeys>('keys.json');
    return stored !== undefined && isWrapped(stored) && this.#unlockKey === undefined;
  }
  /** False if it is another key that the manager is locked with. */
  unlock(key: Buffer): boolean {
    const stored = this.#read<StoredKeys>('keys.json');
    if (stored === undefined || !isWrapped(stored)) return true;
    try {
      unwrapKeys(stored.locked, key);
    } catch (error) {
      if (error instanceof PkiError) return false;
      throw error;
    }
    this.#unlockKey = key;
    this.#lockVersion = stored.version ?? 0;
    this.#sealCertificateKeys();
    return true;
  }
  /**
   * From now on the manager's keys are on the disk under this unlock key, or in the clear. What an older version of the
   * cluster says does nothing: a manager that has just started may not know the newest yet. Answers whether anything changed.
   * When locking begins, so does a renewal of the certificate, with a key that has never been in the clear.
   */
  lock(key: Buffer | undefined, version: number): boolean {
    const stored = this.#read<StoredKeys>('keys.json');
    if (version <= Math.max(this.#lockVersion, stored?.version ?? 0)) return false;
    const isSame = key === undefined ? this.#unlockKey === key : this.#unlockKey?.equals(key);
    if (isSame === true) return false;
    const keys = this.keys();
    this.#isLockNew = this.#unlockKey === undefined;
    this.#unlockKey = key;
    this.#lockVersion = version;
    if (keys !== undefined) this.writeKeys(keys);
    return true;
  }

  writeIdentity(identity: Identity): void {
    this.#write('node.json', identity, 0o600);
  }
  /** The managers that a worker knows, kept over restarts. */
  managers(): readonly ManagerAddress[] {
    return this.#read<{ managers: readonly ManagerAddress[] }>('managers.json')?.managers ?? [];
  }
  writeManagers(managers: readonly ManagerAddress[]): void {
    this.#write('managers.json', { managers }, 0o600);
  }
  /** The managers whose servers may be in the log's group, this one among them. */
  peers(): readonly RoutePeer[] {
    return this.#read<{ peers: readonly RoutePeer[] }>('peers.json')?.peers ?? [];
  }
  /** Does nothing when they are as they were. */
  writePeers(peers: readonly RoutePeer[]): void {
    if (JSON.stringify(peers) === JSON.stringify(this.peers())) return;
    this.#write('peers.json', { peers }, 0o600);
    for (const listener of this.#onPeers) listener();
  }
  /** Its server may show this key, too, until the state tells the keys anew. Answers whether it might not before. */
  letPeerIn(nodeId: string, pin: string): boolean {
    const peers = this.peers();
    const peer = peers.find((one) => one.nodeId === nodeId);
    if (peer === undefined || peer.pins.includes(pin)) return false;
    const pins = [...peer.pins.slice(-limits.pinnedKeysMax), pin];
    this.writePeers(peers.map((one) => (one === peer ? { ...peer, pins } : one)));
    return true;
  }
  onPeers(listener: () => void): () => void {
    this.#onPeers.add(listener);
    return () => this.#onPeers.delete(listener);
  }
  /** As the cluster's unlock key wants it: first the keys, then the certificate's key, which is sealed with one of them. */
  writeKeys(keys: ManagerKeys): void {
    // before the lock: a crash in between lets it begin anew
    if (this.#isLockNew) this.#drawPendingKey(keys.dataKey);
    this.#isLockNew = false;
    const before = this.#read<StoredKeys>('keys.json')?.version ?? 0;
    const version = Math.max(this.#lockVersion, before);
    const stored: StoredKeys =
      this.#unlockKey === undefined
        ? { ...keys, ...(version > 0 && { version }) }
        : { locked: wrapKeys(keys, this.#unlockKey), version };
    this.#write('keys.json', stored, 0o600);
    this.#sealCertificateKeys();
  }
  /**
   * Key and certificate only fit together, and no rename takes both: they are written down as one first, and a start
   * finds that and ends the work.
   */
  writeCertificates(pems: Certificates): void {
    const stored = { ...pems, key: this.#storedKey(pems.key) };
    this.#write('renewal.json', stored, 0o600);
    this.#placeCertificates(stored);
    for (const listener of this.#onCertificates) listener();
  }
  /** Other roots to trust from now on. */
  writeRoots(pem: string): void {
    if (pem === this.certificate('root')) return;
    writeFileAtomic.sync(this.certificates.root(), pem, { mode: 0o644 });
    for (const listener of this.#onCertificates) listener();
  }
  /** Ends what a crash cut off. */
  recover(): void {
    const pems = this.#read<Certificates>('renewal.json');
    if (pems !== undefined) this.#placeCertificates(pems);
  }
  /** Called after each change of the certificates. */
  onCertificates(listener: () => void): () => void {
    this.#onCertificates.add(listener);
    return () => this.#onCertificates.delete(listener);
  }

  #openKey(file: string): string {
    const pem = readFileSync(file, 'utf8');
    return isSealedPem(pem) ? openKeyPem(pem, this.mustKeys().dataKey) : pem;
  }
  /** A certificate's key in the form in which it is to be on the disk. */
  #storedKey(pem: string, dataKey = this.#unlockKey && this.keys()?.dataKey): string {
    return dataKey === undefined ? pem : sealKeyPem(pem, dataKey);
  }
  #drawPendingKey(dataKey?: string): string {
    const key = privateKeyToPem(generateKeys().privateKey);
    this.#mkdir(this.path('certificates'));
    const file = this.certificates.pendingKey();
    writeFileAtomic.sync(file, this.#storedKey(key, dataKey), { mode: 0o600 });
    return key;
  }
  #sealCertificateKeys(): void {
    for (const file of [this.certificates.key(), this.certificates.pendingKey()]) {
      if (!existsSync(file)) continue;
      const isSealed = isSealedPem(readFileSync(file, 'utf8'));
      if (isSealed === (this.#unlockKey !== undefined)) continue;
      writeFileAtomic.sync(file, this.#storedKey(this.#openKey(file)), { mode: 0o600 });
    }
  }

  #placeCertificates(pems: Certificates): void {
    this.#mkdir(this.path('certificates'));
    writeFileAtomic.sync(this.certificates.root(), pems.root, { mode: 0o644 });
    writeFileAtomic.sync(this.certificates.key(), pems.key, { mode: 0o600 });
    writeFileAtomic.sync(this.certificates.node(), pems.node, { mode: 0o644 });
    rmSync(this.certificates.pendingKey(), { force: true });
    rmSync(this.path('renewal.json'), { force: true });
  }

  /** The highest leader that this node's agent has obeyed; it ignores older ones. */
  readonly epochs = {
    load: (): LeaderTerm => this.#read<LeaderTerm>('epoch.json') ?? { generation: 0, epoch: 0 },
    save: (epoch: LeaderTerm): void => this.#write('epoch.json', epoch, 0o600),
  };

  /** Makes the state directory. */
  prepare(): void {
    this.#mkdir(this.#dir);
  }

  /** Forgets the swarm: everything under the state directory that natswarm made. */
  wipe(): void {
    rmSync(this.path('node.json'), { force: true });
    for (const name of [
      ...managerFiles,
      'certificates',
      'managers.json',
      'renewal.json',
      'epoch.json',
    ])
      rmSync(this.path(name), { recursive: true, force: true });
    this.#unlockKey = undefined;
    this.#lockVersion = 0;
  }

  /** Forgets what only a manager has; the node stays in the swarm. Workers do not lock. */
  wipeManager(): void {
    const key = this.certificate('key');
    this.#unlockKey = undefined;
    this.#lockVersion = 0;
    writeFileAtomic.sync(this.certificates.key(), key, { mode: 0o600 });
    rmSync(this.certificates.pendingKey(), { force: true });
    for (const name of managerFiles) rmSync(this.path(name), { recursive: true, force: true });
  }

  #mkdir(dir: string): void {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, 0o700);
  }

  #read<T>(name: string): T | undefined {
    const file = this.path(name);
    if (!existsSync(file)) return undefined;
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as T;
    } catch (error) {
      throw new Error(`${file} is damaged: ${(error as Error).message}`, { cause: error });
    }
  }

  #write(name: string, value: object, mode: number): void {
    this.prepare();
    writeFileAtomic.sync(this.path(name), `${JSON.stringify(value, undefined, 2)}\n`, { mode });
  }
}

const wrapKeys = (keys: ManagerKeys, key: Buffer): string =>
  wrap(Buffer.from(JSON.stringify(keys)), key, lockPurpose).toString('base64');
const unwrapKeys = (wrapped: string, key: Buffer): ManagerKeys =>
  JSON.parse(
    unwrap(Buffer.from(wrapped, 'base64'), key, lockPurpose).toString('utf8'),
  ) as ManagerKeys;
