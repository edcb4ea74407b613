import { limits } from '../../domain/limits.ts';
import type { Unsubscribe } from '../ports.ts';
import { accounts } from './config.ts';
import type { Link } from './link.ts';
import { connectionsOf, kick, serverOf } from './server-requests.ts';

export interface CrowdOptions {
  /** Of the system account. */
  readonly system: Link;
  /** Whether a user of the bus is a node that may have only so many connections. */
  readonly isLimited: (user: string) => boolean;
  readonly report: (event: string, fields: object) => void;
}

interface Connected {
  readonly server?: { readonly id?: string };
  readonly client?: { readonly user?: string };
}

const nodesKnownMax = 65_536;

/**
 * Leaves each node a few connections to the server that `system` is connected to: an agent has one. The oldest go first,
 * for one that has come back may still have some that are half-open. Who connects is counted, and the server's list looked
 * at only when a node may have too many.
 */
export class Crowd {
  readonly #options: CrowdOptions;
  /** Connections of a node at most: those that it had when that was last looked at, and those that it made since. */
  readonly #counts = new Map<string, number>();
  readonly #looking = new Set<string>();

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  watch(): Unsubscribe {
    return this.#options.system.subscribe(
      `$SYS.ACCOUNT.${accounts.bus}.CONNECT`,
      (error, message) => {
        if (error === null) this.#onConnected(message.json<Connected>());
      },
    );
  }

  #onConnected({ server, client }: Connected): void {
    const node = client?.user ?? '';
    if (server?.id !== serverOf(this.#options.system) || !this.#options.isLimited(node)) return;
    if (this.#counts.size >= nodesKnownMax) this.#counts.clear();
    this.#counts.set(node, this.#count(node) + 1);
    if (!this.#looking.has(node)) void this.#look(node);
  }

  #count(node: string): number {
    return this.#counts.get(node) ?? 0;
  }

  async #look(node: string): Promise<void> {
    this.#looking.add(node);
    while (this.#count(node) > limits.busConnectionsPerNodeMax) {
      this.#counts.set(node, 0);
      const left = await this.#closeOldest(node).catch(() => undefined);
      // without an answer the node's next connection asks again
      this.#counts.set(node, (left ?? limits.busConnectionsPerNodeMax) + this.#count(node));
      if (left === undefined) break;
    }
    this.#looking.delete(node);
  }

  /** Answers how many connections the node has left. Rejects with `BusError`. */
  async #closeOldest(node: string): Promise<number> {
    const { system } = this.#options;
    const wanted = { auth: true, user: node } as const;
    const connections = await connectionsOf(system, wanted, limits.busConnectionsMax);
    const cids = connections.map(({ cid }) => cid);
    const old = cids.slice(0, -limits.busConnectionsPerNodeMax);
    if (old.length > 0)
      this.#options.report('connections_refused', {
        member: node,
        connections: old.length,
        todo: 'look after this node: its agent has one connection; if it is not yours any more, docker node rm --force',
      });
    await kick(system, old);
    return cids.length - old.length;
  }
}
