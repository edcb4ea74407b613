import type { Checkpoint } from '../../../bus/ports.ts';
import { Fault } from '../../../domain/errors.ts';
import type { ManagerTold, Node } from '../../../domain/model/objects.ts';
import type { Manager } from '../../manager/manager.ts';
import { type LogOffer, logOffer } from './log-offer.ts';

/** Who asks: a node with a manager's certificate, and the pin of the key that its connection has proved. */
export interface Asker {
  readonly nodeId: string;
  readonly pin: string;
}

/** This manager's own server. */
export interface OwnServer {
  /** It is to let in a server with this key, although the state does not name it. */
  letIn(asker: Asker): void;
}

/** Lets managers into the log's group. Only a node that is to be a manager gets an answer. All methods throw `Fault`. */
export class LogJoinServer {
  readonly #manager: Pick<Manager, 'view' | 'command' | 'snapshot' | 'generation'>;
  readonly #server: OwnServer;

  constructor(
    manager: Pick<Manager, 'view' | 'command' | 'snapshot' | 'generation'>,
    server: OwnServer,
  ) {
    this.#manager = manager;
    this.#server = server;
  }

  /**
   * Answered without a leader too: a manager that was away learns where the log goes on. And to one that is to go, until
   * the leader has let it go. One whose key the state has lost is let in here: where the others are too few to write the
   * key down, its server is what they need.
   */
  offer(asker: Asker): LogOffer {
    const node = this.#mustBeManager(asker);
    if (node.pins?.includes(asker.pin) !== true) this.#server.letIn(asker);
    return logOffer(this.#manager.view(), this.#manager.generation);
  }

  async enroll(asker: Asker, told: ManagerTold): Promise<void> {
    const { spec, pins = [] } = this.#mustBeManager(asker);
    if (spec.Role !== 'manager') throw notToBe(asker);
    const { nodeId, pin } = asker;
    // one that was let go and is wanted again may still have the key of before
    if (!pins.includes(pin)) await this.#manager.command('node.pin', { nodeId, pin });
    await this.#manager.command('manager.enroll', { ...told, nodeId });
  }

  /**
   * The state, for a manager that begins in `generation`. One that is to go gets it, too: it counts until the leader has let
   * it go, and where it is one of two nobody can be the leader without it.
   */
  checkpoint(asker: Asker, generation: number): Checkpoint {
    this.#mustBeManager(asker);
    if (this.#manager.generation !== generation)
      throw new Fault('Unavailable', `this manager is in generation ${this.#manager.generation}`);
    return this.#manager.snapshot();
  }

  #mustBeManager(asker: Asker): Node {
    const node = this.#manager.view().node(asker.nodeId);
    if (node?.role !== 'manager') throw notToBe(asker);
    return node;
  }
}

const notToBe = ({ nodeId }: Asker): Fault =>
  new Fault('PermissionDenied', `node ${nodeId} is not to be a manager`);
