import type { Clock } from '../../../supervisors/clock.ts';
import type { Servers } from './servers.ts';

/** How long the log is without a leader after it lost one, ms. */
const electionMs = [200, 5_000] as const;
/** How far a replica outside of the majority that took a record may lag behind, ms. */
const lagMs = 300;

/**
 * Where the log is: one replica on each server. One of them leads it, as long as it reaches a majority; a record is
 * written when a majority has it. The others get it later, and answer reads with what they have.
 */
export class Replicas {
  readonly #servers: Servers;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #ends: Map<string, number>;
  #last: number;
  #leader: string | undefined;
  #electing = false;

  constructor(servers: Servers, clock: Clock, random: () => number, last: number) {
    this.#servers = servers;
    this.#clock = clock;
    this.#random = random;
    this.#last = last;
    this.#ends = new Map(servers.ids.map((id) => [id, last]));
    this.#leader = servers.ids[0];
    servers.onChange(() => this.#look());
  }

  /** What a client of this server asks of the log's leader gets there. */
  reachesLeader(server: string): boolean {
    const leader = this.#leader;
    return leader !== undefined && this.#servers.linked(server, leader);
  }
  isUp(server: string): boolean {
    return this.#servers.isUp(server);
  }

  /** Up to where some replica that this server reaches answers reads; undefined when it reaches none. */
  readEnd(server: string): number | undefined {
    const reached = this.#servers.ids.filter((id) => this.#servers.linked(server, id));
    const chosen = reached[Math.floor(this.#random() * reached.length)];
    return chosen === undefined ? undefined : this.#ends.get(chosen);
  }

  /** A record was written: the leader and as many others as make a majority have it. */
  wrote(seq: number): void {
    const leader = this.#leader;
    this.#last = seq;
    if (leader === undefined) return;
    const reached = this.#servers.ids.filter((id) => this.#servers.linked(leader, id));
    const others = reached
      .filter((id) => id !== leader)
      .map((id) => ({ id, order: this.#random() }))
      .sort((a, b) => a.order - b.order)
      .map(({ id }) => id);
    const needed = Math.floor(this.#servers.ids.length / 2);
    for (const id of [leader, ...others.slice(0, needed)]) this.#ends.set(id, seq);
    for (const id of others.slice(needed)) this.#catchUp(id);
  }

  #catchUp(id: string): void {
    this.#clock.setTimeout(() => {
      const leader = this.#leader;
      if (leader !== undefined && this.#servers.linked(leader, id)) this.#ends.set(id, this.#last);
    }, this.#random() * lagMs);
  }

  #look(): void {
    if (this.#leader !== undefined && this.#servers.hasMajority(this.#leader))
      for (const id of this.#servers.ids) this.#catchUp(id);
    else {
      this.#leader = undefined;
      this.#elect();
    }
  }

  /** Whoever has every record that was written and reaches a majority may lead. */
  #elect(): void {
    if (this.#electing) return;
    this.#electing = true;
    const [min, max] = this.#servers.ids.length === 1 ? [0, 0] : electionMs;
    this.#clock.setTimeout(
      () => {
        this.#electing = false;
        if (this.#leader !== undefined) return;
        const able = this.#servers.ids.filter(
          (id) => this.#servers.hasMajority(id) && this.#ends.get(id) === this.#last,
        );
        this.#leader = able[Math.floor(this.#random() * able.length)];
        // Without a majority the next change tells when to try again; one that lags may still catch up.
        if (this.#leader !== undefined) this.#look();
        else if (this.#servers.ids.some((id) => this.#servers.hasMajority(id))) this.#elect();
      },
      min + this.#random() * (max - min),
    );
  }
}
