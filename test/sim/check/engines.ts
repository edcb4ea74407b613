import type { Cluster } from '../world/cluster.ts';
import type { SimHost } from '../world/daemon.ts';
import { Violation } from './violation.ts';

/** A node shows the state of its engine when its heartbeats have come through for so long, ms: some of them may get lost. */
const shownWithinMs = 30_000;
const lookMarginMs = 10_000;

/** A node whose engine is away is not ready, and one whose engine is back is not down because of it. */
export class EngineCheck {
  readonly #cluster: Cluster;
  /** Since when the engine has been as it is, and the leader could hear of it. */
  readonly #since = new Map<
    SimHost,
    { readonly isUp: boolean; readonly comebacks: number; readonly at: number }
  >();
  #records = 0;
  #lastRecordAt = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  look(): void {
    const { clock, audit, hosts } = this.#cluster;
    const now = clock.now();
    if (audit.last > this.#records) this.#lastRecordAt = now;
    this.#records = audit.last;
    for (const host of hosts) this.#check(host, now);
  }

  #check(host: SimHost, now: number): void {
    const { isUp, comebacks } = host.engine;
    const known = this.#since.get(host);
    // one that was there between two looks, for a moment, has begun anew
    if (known?.isUp !== isUp || known.comebacks !== comebacks || !host.isHeard)
      return void this.#since.set(host, { isUp, comebacks, at: now });
    const since = Math.max(known.at, this.#cluster.leadingSince);
    // a record that late shows that the log has taken what the heartbeats before it said
    if (now - since < shownWithinMs + lookMarginMs || this.#lastRecordAt - since < shownWithinMs)
      return;
    const node = this.#cluster.audit.store.node(host.id);
    const isShown = node?.engineAwaySince !== undefined || node?.status.state !== 'ready';
    if (isUp ? node?.engineAwaySince !== undefined : !isShown)
      throw new Violation(
        'engine',
        `node ${host.id} is ${node?.status.state}, its engine ${isUp ? 'up' : 'away'} since ${since}`,
      );
  }
}
