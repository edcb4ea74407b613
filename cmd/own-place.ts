import { type Identity, isManager } from '../actors/node/identity.ts';
import { joinHostPort } from './addresses.ts';
import type { NodeFiles } from './node-files.ts';

/** What the node's disk says that it is. Read once, and kept: it is asked for with every ping. */
export class OwnPlace {
  readonly #files: NodeFiles;
  #identity: Identity | undefined;
  #isLocked = false;

  constructor(files: NodeFiles) {
    this.#files = files;
  }

  load(): void {
    this.#identity = this.#files.identity();
    this.#isLocked =
      this.#identity !== undefined && isManager(this.#identity) && this.#files.isLocked();
  }

  /** Undefined outside a swarm. */
  get identity(): Identity | undefined {
    return this.#identity;
  }
  /** Nothing of this manager runs before it is unlocked. */
  get isLocked(): boolean {
    return this.#isLocked;
  }

  /** False if it is another key that the manager is locked with. */
  unlock(key: Buffer): boolean {
    if (!this.#files.unlock(key)) return false;
    this.#isLocked = false;
    return true;
  }
  write(identity: Identity): void {
    this.#files.writeIdentity(identity);
    this.#identity = identity;
  }
  wipe(): void {
    this.#files.wipe();
    this.#isLocked = false;
    this.#identity = undefined;
  }

  /** The managers that this node knows of, itself first if it is one; `addr` is the join listener's. */
  managers(): readonly { readonly nodeId: string; readonly addr: string }[] {
    const identity = this.#identity;
    if (identity === undefined) return [];
    const known = isManager(identity) ? this.#files.peers() : this.#files.managers();
    const others = known.filter(({ nodeId }) => nodeId !== identity.nodeId);
    const { nodeId, advertiseHost: host, advertisePort: port } = identity;
    return [
      ...(isManager(identity) ? [{ nodeId, addr: joinHostPort({ host, port }) }] : []),
      ...others.map((other) => ({ nodeId: other.nodeId, addr: other.addr })),
    ];
  }
}
