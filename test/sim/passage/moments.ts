import { isVoter } from '../../../domain/members/form.ts';
import { isMajority } from '../../../actors/manager/quorum.ts';
import { Violation } from '../check/violation.ts';
import { Random } from '../world/random.ts';
import type { PassageHost } from './host.ts';
import { found, isSeated, newestView, setRole, unsettled } from './run.ts';
import { PassageWorld } from './world.ts';

export type Operation = 'join' | 'demote' | 'leave' | 'nothing';
export const troubles = ['kill', 'power', 'cut'] as const;

/** An operation on the managers, and a host that is lost in the middle of it. */
export interface Moment {
  readonly seed: number;
  /** Managers that there are before. */
  readonly managers: number;
  readonly operation: Operation;
  /** Another one at the same time, on another manager. */
  readonly second?: Operation;
  /** The host that is lost, by its number: the last one is the one that the operation is about. */
  readonly victim?: number;
  readonly trouble?: (typeof troubles)[number];
  /** How long after the operation's begin, virtual ms. */
  readonly atMs?: number;
}
export interface MomentResult {
  readonly failure: Error | undefined;
  /** How long the operation took, ms. */
  readonly tookMs: number;
  /** From the loss to the next acknowledged write, ms; undefined where none could be expected. */
  readonly gapMs: number | undefined;
  readonly lines: readonly string[];
}

/** A host that is lost comes back after so long; meanwhile the others have to go on, within the limit. */
const lostMs = 60_000;
const goOnMs = 25_000;
const settleMs = 120_000;
const joiningSeat = { generation: 0, form: 'several', joining: true } as const;

export function drawMoment(seed: number): Moment {
  const random = new Random(seed, 'moment');
  const operation = random.pick(['join', 'join', 'demote', 'leave'] as const);
  // one of two that leaves takes the quorum with it
  const least = { join: 1, demote: 2, leave: 3 } as const;
  const managers = random.int(least[operation], operation === 'join' ? 4 : 5);
  const hosts = managers + (operation === 'join' ? 1 : 0);
  return {
    seed,
    managers,
    operation,
    ...(managers > 3 && random.next() < 0.3 && { second: random.pick(['join', 'demote']) }),
    victim: random.int(0, hosts - 1),
    trouble: random.pick(troubles),
    atMs: random.int(0, 4_000),
  };
}

/**
 * One operation from its begin to its end, and a loss on the way: as long as the managers that count are a majority
 * without the host that is lost, writes go on; and when it is back everything comes to its end, and nothing is lost.
 */
export async function simulateMoment(moment: Moment): Promise<MomentResult> {
  const run = new MomentRun(moment);
  let failure: Error | undefined;
  try {
    await run.run();
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  const { tookMs, gapMs } = run;
  return { failure, tookMs, gapMs, lines: run.world.lines };
}

class MomentRun {
  readonly world: PassageWorld;
  tookMs = Number.POSITIVE_INFINITY;
  gapMs: number | undefined;
  readonly #moment: Moment;
  readonly #acknowledged: string[] = [];
  readonly #subject: PassageHost;
  #ackedAt = 0;
  #begin = 0;

  constructor(moment: Moment) {
    this.#moment = moment;
    const { seed, managers, operation, second } = moment;
    const joiners = [operation, second].filter((each) => each === 'join').length;
    this.world = new PassageWorld({ seed, hosts: managers + joiners });
    const index = operation === 'join' ? managers : managers - 1;
    this.#subject = this.world.hosts[index] as PassageHost;
  }

  async run(): Promise<void> {
    const { managers, operation, second, atMs } = this.#moment;
    await this.#grow(managers);
    this.#write();
    this.#follow();
    await this.world.run(3_000);
    this.#begin = this.world.clock.now();
    this.world.say('-', `begins: ${operation} ${second ?? ''}`, {});
    this.#operate(operation, this.#subject);
    if (second !== undefined) this.#operate(second, this.#secondSubject());
    if (atMs !== undefined) {
      await this.world.run(atMs);
      await this.#lose();
    }
    let wrong = '';
    await this.world.run(settleMs, () => (wrong = this.#unfinished()) === '');
    if (wrong !== '') throw new Violation('moment', wrong);
  }

  /** These are the managers, each with its copy of the log. */
  async #grow(count: number): Promise<void> {
    const { world } = this;
    await found(world);
    for (const host of world.hosts.slice(1, count)) {
      host.become({ nodeId: host.id, ...joiningSeat });
      await world.run(60_000, () => isSeated(world)(host));
      if (!isSeated(world)(host)) throw new Error('the managers did not come about');
    }
    await world.run(5_000);
  }

  #operate(operation: Operation, host: PassageHost): void {
    if (operation === 'join') host.become({ nodeId: host.id, ...joiningSeat });
    if (operation === 'leave') host.become(undefined);
    // as a user who demotes the node that has left
    if (operation === 'demote' || operation === 'leave') void setRole(this.world, host, 'worker');
  }

  #secondSubject(): PassageHost {
    const { hosts } = this.world;
    const { managers, second } = this.#moment;
    return (second === 'join' ? hosts.at(-1) : hosts[managers - 2]) as PassageHost;
  }

  /** Whoever is not to be a manager any more, and hears of it, becomes a worker. */
  #follow(): void {
    const { world } = this;
    const newest = newestView(world);
    for (const host of world.hosts) {
      const isCut = world.isCutOff(host.id);
      if (newest?.node(host.id)?.role === 'worker' && host.seat !== undefined && !isCut)
        host.become(undefined);
    }
    world.clock.setTimeout(() => this.#follow(), 200);
  }

  #write(): void {
    const { world } = this;
    let number = 0;
    const next = (): void => {
      world.clock.setTimeout(next, 250);
      const running = world.hosts.filter(({ manager }) => manager !== undefined);
      if (running.length === 0) return;
      const name = `s${number++}`;
      const spec = {
        Name: name,
        Mode: { Replicated: { Replicas: 0 } },
        TaskTemplate: { ContainerSpec: { Image: 'busybox' } },
      };
      void world.random
        .pick(running)
        .command('service.create', { spec })
        .then(({ kind }) => {
          if (kind !== 'acknowledged') return;
          this.#acknowledged.push(name);
          this.#ackedAt = world.clock.now();
        });
    };
    next();
  }

  async #lose(): Promise<void> {
    const { world } = this;
    const { victim, trouble } = this.#moment;
    const host = world.hosts[victim ?? -1];
    if (host === undefined) return;
    const voters = [...(newestView(world)?.managers() ?? [])].filter(isVoter);
    const ids = voters.map(({ id }) => id);
    const isGone = (id: string): boolean => id === host.id || world.host(id)?.seat === undefined;
    const left = new Set(ids.filter((id) => !isGone(id)));
    // one that is to go counts until it is gone, and the others have to be a majority without it
    const staying = voters.filter(({ spec }) => spec.Role === 'manager').map(({ id }) => id);
    const isOwed = isMajority(ids, left) && isMajority(staying, left);
    world.say(host.id, `lost: ${trouble}`, { voters: ids, isOwed });
    if (trouble === 'cut') world.cutOff(host.id, lostMs);
    else host.powerOff(trouble === 'kill' ? 2_000 : lostMs);
    const lostAt = world.clock.now();
    await world.run(goOnMs, () => this.#ackedAt > lostAt);
    if (this.#ackedAt > lostAt) this.gapMs = this.#ackedAt - lostAt;
    else if (isOwed)
      throw new Violation(
        'moment',
        `${left.size} of ${ids.length} managers that count are there, and no write is acknowledged for ${goOnMs} ms`,
      );
  }

  #unfinished(): string {
    const { world } = this;
    const { operation, second } = this.#moment;
    const newest = newestView(world);
    const wrong = this.#wrongOf(operation, this.#subject);
    if (wrong !== '') return wrong;
    if (this.tookMs === Number.POSITIVE_INFINITY) this.tookMs = world.clock.now() - this.#begin;
    if (second !== undefined) {
      const more = this.#wrongOf(second, this.#secondSubject());
      if (more !== '') return more;
    }
    const lost = world.hosts.filter(
      ({ id, isUp }) => !isUp && newest?.node(id)?.role === 'manager',
    );
    const unused = (host: PassageHost): boolean => host.seat === undefined;
    return lost.every(unused) && lost.length > 0 ? '' : unsettled(world, this.#acknowledged);
  }

  #wrongOf(operation: Operation, host: PassageHost): string {
    const node = newestView(this.world)?.node(host.id);
    if (operation === 'join') return isSeated(this.world)(host) ? '' : 'the joiner is not seated';
    if (operation === 'nothing') return '';
    return node?.role === 'worker' && host.seat === undefined ? '' : 'it is a manager still';
  }
}
