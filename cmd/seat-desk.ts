import { X509Certificate } from 'node:crypto';
import type { Manager } from '../actors/manager/manager.ts';
import { pack, unpack } from '../bus/codec.ts';
import type { Checkpoint } from '../bus/ports.ts';
import { trustedRootsPem } from '../domain/ca/signing.ts';
import { Fault } from '../domain/errors.ts';
import { type RoutePeer, routePeers, upcoming } from '../domain/members/form.ts';
import type { LogForm, ManagerTold } from '../domain/model/objects.ts';
import type { View } from '../domain/store/view.ts';
import { publicKeyPin, verifyNodeCertificate } from '../pki/mod.ts';
import { type KeyLock, lockOf } from './key-lock.ts';

/** What a manager that has no part in the log yet must know to get one. */
export interface Seat extends LogForm {
  /** Signs the bus' user JWTs: every manager answers for the others' servers. */
  readonly busIssuerSeed: string;
  readonly peers: readonly RoutePeer[];
  readonly lock: KeyLock;
  /** Of the state that says so. */
  readonly index: number;
  /** The generation that the manager asked is in. */
  readonly current: number;
}

export interface SeatDeskOptions {
  readonly manager: Manager;
  readonly now: () => number;
  /** This manager's own server is to let in a server with this key, although the state does not name it. */
  readonly letIn: (nodeId: string, pin: string) => void;
}

/**
 * Lets managers into the log's group. Whoever asks shows a certificate (DER) whose key the connection has proved; only
 * a node that is to be a manager gets an answer. All methods throw `Fault`.
 */
export class SeatDesk {
  readonly #options: SeatDeskOptions;

  constructor(options: SeatDeskOptions) {
    this.#options = options;
  }

  /**
   * Answered without a leader too: a manager that was away learns where the log goes on. And to one that is to go, until
   * the leader has let it go. One whose key the state has lost is let in here: where the others are too few to write the
   * key down, its server is what they need.
   */
  seat(certificate: Buffer): Seat {
    const nodeId = this.#nodeOf(certificate);
    const { manager, letIn } = this.#options;
    const view = manager.view();
    const node = view.node(nodeId);
    if (node?.role !== 'manager') throw notToBe(nodeId);
    const pin = pinOf(certificate);
    if (node.pins?.includes(pin) !== true) letIn(nodeId, pin);
    const { generation, form } = upcoming(view);
    return {
      generation,
      form,
      busIssuerSeed: view.cluster()?.busIssuerSeed ?? '',
      peers: routePeers(view),
      lock: lockOf(view),
      index: view.index,
      current: manager.generation,
    };
  }

  async enroll(certificate: Buffer, place: ManagerTold): Promise<void> {
    const nodeId = this.#nodeOf(certificate);
    const pins = this.#viewFor(certificate).node(nodeId)?.pins ?? [];
    const { manager } = this.#options;
    const pin = pinOf(certificate);
    // one that was let go and is wanted again may still have the key of before
    if (!pins.includes(pin)) await manager.command('node.pin', { nodeId, pin });
    await manager.command('manager.enroll', { ...place, nodeId });
  }

  /** The state, for a manager that begins in `generation`. */
  checkpoint(certificate: Buffer, generation: number): Uint8Array {
    this.#viewFor(certificate);
    const { manager } = this.#options;
    if (manager.generation !== generation)
      throw new Fault('Unavailable', `this manager is in generation ${manager.generation}`);
    return packCheckpoint(manager.snapshot());
  }

  #nodeOf(certificate: Buffer): string {
    const view = this.#options.manager.view();
    const cluster = view.cluster();
    if (cluster === undefined) throw new Fault('Unavailable', 'there is no cluster yet');
    const verified = verifyNodeCertificate(
      new X509Certificate(certificate).toString(),
      trustedRootsPem(cluster),
      cluster.id,
      this.#options.now(),
    );
    if (!verified.ok)
      throw new Fault('Unauthenticated', `the certificate is refused: ${verified.reason}`);
    if (verified.role !== 'manager')
      throw new Fault('PermissionDenied', `node ${verified.nodeId} has no manager's certificate`);
    return verified.nodeId;
  }

  #viewFor(certificate: Buffer): View {
    const nodeId = this.#nodeOf(certificate);
    const view = this.#options.manager.view();
    const node = view.node(nodeId);
    if (node?.role !== 'manager' || node.spec.Role !== 'manager') throw notToBe(nodeId);
    return view;
  }
}

const pinOf = (certificate: Buffer): string =>
  publicKeyPin(new X509Certificate(certificate).toString());

const notToBe = (nodeId: string): Fault =>
  new Fault('PermissionDenied', `node ${nodeId} is not to be a manager`);

export const packCheckpoint = ({ seq, hash, data }: Checkpoint): Uint8Array =>
  pack({ seq, hash, data });

/** Throws `Fault` for what is no checkpoint. */
export function unpackCheckpoint(bytes: Uint8Array): Checkpoint {
  const { seq, hash, data } = unpack(bytes) as Partial<Checkpoint>;
  if (
    typeof seq !== 'number' ||
    !Number.isSafeInteger(seq) ||
    typeof hash !== 'string' ||
    !(data instanceof Uint8Array)
  )
    throw new Fault('Unknown', 'the manager sent no checkpoint');
  return { seq, hash, data };
}
