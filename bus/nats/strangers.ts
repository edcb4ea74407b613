import { type Shares, type Stranger, surplus } from '../../domain/fair-share.ts';
import { limits } from '../../domain/limits.ts';
import { type Clock, pause } from '../../supervisors/clock.ts';
import type { Link } from './link.ts';

/** nats-server keeps whoever has not said yet who he is in its default account. Nobody else is in that of ours. */
const unknownAccount = '$G';
const patienceMs = 2_000;
/** How often is looked, and how often while there are too many, ms. */
const lookEveryMs = 1_000;
const soonMs = 100;
const shown = 3;

interface Waiting {
  readonly cid: number;
  readonly ip: string;
}

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
    const connection = system.connection();
    // the server takes no request without somewhere to answer to; what it says is of no use
    for (const cid of gone)
      connection.publish(this.#subject('KICK'), JSON.stringify({ cid }), { reply: '_unread' });
    await connection.flush();
    return gone.length;
  }

  /** Oldest first. */
  async #waiting(): Promise<readonly Stranger[]> {
    const ask = { acc: unknownAccount, sort: 'cid', limit: limits.busConnectionsMax };
    const body = Buffer.from(JSON.stringify(ask));
    const answer = await this.#options.system.request(this.#subject('CONNZ'), body, patienceMs);
    const { data } = answer.json<{ data?: { connections?: readonly Waiting[] } }>();
    return (data?.connections ?? []).map(({ cid, ip }) => ({ id: cid, address: ip }));
  }

  #subject(verb: string): string {
    return `$SYS.REQ.SERVER.${this.#options.system.connection().info?.server_id ?? ''}.${verb}`;
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
