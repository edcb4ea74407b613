import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import type { Epoch } from '../bus/protocol.ts';
import type { ManagerAddress } from '../domain/assign/membership.ts';
import type { RoutePeer } from '../domain/members/form.ts';
import type { LogForm } from '../domain/model/objects.ts';

/** What a node must know of itself before it can reach the cluster; the rest is in the state log. */
export interface Identity {
  readonly nodeId: string;
  readonly clusterId: string;
  /** `IP:PORT` of the join listener as configured at init. */
  readonly listenAddr: string;
  readonly advertiseHost: string;
  readonly advertisePort: string;
  /** Generation of the log that this manager's store belongs to (docs/state-log.md); 0 while none is known. */
  readonly generation: number;
  /** Absent: `alone`. */
  readonly form?: LogForm['form'];
  /** The generation begins here, behind this sequence: its log is yet to be made. */
  readonly founding?: { readonly after: number };
  /** This manager has no state yet: it gets it from another one. */
  readonly joining?: true;
  /** What this node's certificate says; a file without it is a manager's. */
  readonly role?: 'manager' | 'worker';
}
export const isManager = (identity: Identity): boolean => identity.role !== 'worker';

/** Keys that a manager needs before it can read the log. */
export interface ManagerKeys {
  /** Encrypts nats-server's store and the journal: 32 bytes, hex. */
  readonly dataKey: string;
  /** nkey seed of the account that signs the bus' user JWTs. */
  readonly busIssuerSeed: string;
}

const managerFiles = ['keys.json', 'peers.json', 'store', 'journal'] as const;

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

  constructor(stateDir: string) {
    this.#dir = stateDir;
  }

  readonly certificates = {
    node: (): string => join(this.#dir, 'certificates', 'swarm-node.crt'),
    key: (): string => join(this.#dir, 'certificates', 'swarm-node.key'),
    root: (): string => join(this.#dir, 'certificates', 'swarm-root-ca.crt'),
  };
  path(...names: string[]): string {
    return join(this.#dir, ...names);
  }

  /** Undefined outside a swarm. Written last at init, so an init that was cut off leaves the node outside. */
  identity(): Identity | undefined {
    return this.#read<Identity>('node.json');
  }
  keys(): ManagerKeys {
    const keys = this.#read<ManagerKeys>('keys.json');
    if (keys === undefined) throw new Error(`${this.path('keys.json')} is missing`);
    return keys;
  }
  certificate(name: 'node' | 'key' | 'root'): string {
    return readFileSync(this.certificates[name](), 'utf8');
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
  onPeers(listener: () => void): () => void {
    this.#onPeers.add(listener);
    return () => this.#onPeers.delete(listener);
  }
  writeKeys(keys: ManagerKeys): void {
    this.#write('keys.json', keys, 0o600);
  }
  /**
   * Key and certificate only fit together, and no rename takes both: they are written down as one first, and a start
   * finds that and ends the work.
   */
  writeCertificates(pems: Certificates): void {
    this.#write('renewal.json', pems, 0o600);
    this.#placeCertificates(pems);
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

  #placeCertificates(pems: Certificates): void {
    this.#mkdir(this.path('certificates'));
    writeFileAtomic.sync(this.certificates.root(), pems.root, { mode: 0o644 });
    writeFileAtomic.sync(this.certificates.key(), pems.key, { mode: 0o600 });
    writeFileAtomic.sync(this.certificates.node(), pems.node, { mode: 0o644 });
    rmSync(this.path('renewal.json'), { force: true });
  }

  /** The highest leader that this node's agent has obeyed; it ignores older ones. */
  readonly epochs = {
    load: (): Epoch => this.#read<Epoch>('epoch.json') ?? { generation: 0, epoch: 0 },
    save: (epoch: Epoch): void => this.#write('epoch.json', epoch, 0o600),
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
  }

  /** Forgets what only a manager has; the node stays in the swarm. */
  wipeManager(): void {
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
