import { type Shares, type Stranger, surplus } from '../../domain/fair-share.ts';
import { limits } from '../../domain/limits.ts';
import { type Clock, pause } from '../../supervisors/clock.ts';
import type { Link } from './link.ts';
import { connectionsOf, kickMany } from './server-requests.ts';

/** nats-server keeps whoever has not said yet who he is in its default account. Nobody else is in that of ours. */
const unknownAccount = '$G';
/** How often is looked, and how often while there are too many, ms. */
const lookEveryMs = 1_000;
const soonMs = 100;
const shown = 3;

export interface StrangersOptions {
  /** Of the system account; it is connected before the strangers come. */
  readonly system: Link;
  readonly clock: Clock;
  readonly report: (event: string, fields: object) => void;
  readonly shares?: Shares;
}

/**
 * Keeps room on the bus port for nodes. nats-server counts a connection from its first packet on, and gives it some
 * seconds for its certificate: whoever opens connections and says nothing fills it, and no node gets in. So who has not
 * shown a certificate yet is counted here, and goes by `surplus`.
 */
export class Strangers {
  readonly #options: Required<StrangersOptions>;

  constructor(options: StrangersOptions) {
    const { busStrangersMax: max, busStrangersPerAddressMin: perAddressMin } = limits;
    this.#options = { shares: { max, perAddressMin }, ...options };
  }

  /** Ends with the scope; never rejects. */
  async run(scope: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!scope.aborted) {
      // without an answer there is nothing to be done: the link is on its way back
      const gone = await this.look().catch(() => 0);
      await pause(clock, gone > 0 ? soonMs : lookEveryMs, scope);
    }
  }

  /** Answers how many had to go. Rejects with `BusError`. */
  async look(): Promise<number> {
    const { system, shares, report } = this.#options;
    const strangers = await this.#waiting();
    const gone = surplus(strangers, shares);
    if (gone.length === 0) return 0;
    report('strangers_refused', {
      connections: gone.length,
      waiting: strangers.length,
      from: busiest(strangers),
      todo: 'keep the bus port from whoever has no business there',
    });
    await kickMany(system, gone);
    return gone.length;
  }

  /** Oldest first. */
  async #waiting(): Promise<readonly Stranger[]> {
    const unknown = { acc: unknownAccount };
    const all = await connectionsOf(this.#options.system, unknown, limits.busConnectionsMax);
    return all.map(({ cid, ip }) => ({ id: cid, address: ip }));
  }
}

/** The addresses that hold most, for the log. */
function busiest(strangers: readonly Stranger[]): readonly object[] {
  const counts = new Map<string, number>();
  for (const { address } of strangers) counts.set(address, (counts.get(address) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, shown)
    .map(([address, connections]) => ({ address, connections }));
}
