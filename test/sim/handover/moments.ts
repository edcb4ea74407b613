import { isSettled } from '../../../api/promotion.ts';
import { isGoing, isVoter, placedManagers } from '../../../domain/members/form.ts';
import { isMajority } from '../../../actors/manager/quorum.ts';
import { Violation } from '../check/violation.ts';
import { Random } from '../world/random.ts';
import type { HandoverHost } from './host.ts';
import { found, hasPlace, newestView, setRole, unsettled } from './run.ts';
import { HandoverWorld } from './world.ts';

/** `return`: demoted, and promoted again on the way; `withdraw`: promoted, and demoted again on the way. */
export type Operation = 'join' | 'demote' | 'leave' | 'return' | 'withdraw' | 'nothing';
export const troubles = ['kill', 'power', 'cut'] as const;

/** An operation on the managers, and a host that is lost in the middle of it. */
export interface Moment {
  readonly seed: number;
  /** Managers that there are before. */
  readonly managers: number;
  readonly operation: Operation;
  /** How long after its begin a `return` or `withdraw` is turned round, virtual ms. */
  readonly turnAtMs?: number;
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
/** How often a user asks again, and an answered promotion is looked at, ms. */
const everyMs = { ask: 100, look: 20 } as const;
type Role = 'manager' | 'worker';
const isComing = (operation: Operation | undefined): boolean =>
  operation === 'join' || operation === 'withdraw';
const joiningPlace = { generation: 0, form: 'several', joining: true } as const;

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
  readonly world: HandoverWorld;
  tookMs = Number.POSITIVE_INFINITY;
  gapMs: number | undefined;
  readonly #moment: Moment;
  readonly #acknowledged: string[] = [];
  readonly #subject: HandoverHost;
  /** Server of the subject, when it was said that the subject is a manager again. */
  #promised: string | undefined;
  #isTurned = false;
  #ackedAt = 0;
  #begin = 0;

  constructor(moment: Moment) {
    this.#moment = moment;
    const { seed, managers, operation, second } = moment;
    const joiners = [operation, second].filter(isComing).length;
    this.world = new HandoverWorld({ seed, hosts: managers + joiners });
    const index = isComing(operation) ? managers : managers - 1;
    this.#subject = this.world.hosts[index] as HandoverHost;
  }

  async run(): Promise<void> {
    const { managers, operation, second, atMs } = this.#moment;
    await this.#grow(managers);
    if (operation === 'withdraw') await setRole(this.world, this.#subject, 'worker');
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
    await this.world.settle('moment', settleMs, () => this.#unfinished());
  }

  /** These are the managers, each with its copy of the log. */
  async #grow(count: number): Promise<void> {
    const { world } = this;
    await found(world);
    for (const host of world.hosts.slice(1, count)) {
      host.become({ nodeId: host.id, ...joiningPlace });
      await world.run(60_000, () => hasPlace(world)(host));
      if (!hasPlace(world)(host)) throw new Error('the managers did not come about');
    }
    await world.run(5_000);
  }

  #operate(operation: Operation, host: HandoverHost): void {
    if (operation === 'join') host.become({ nodeId: host.id, ...joiningPlace });
    if (operation === 'leave') host.become(undefined);
    // as a user who demotes the node that has left
    if (operation === 'demote' || operation === 'leave') void setRole(this.world, host, 'worker');
    if (operation === 'return') this.#turn(host, ['worker', 'manager']);
    if (operation === 'withdraw') this.#turn(host, ['manager', 'worker']);
  }

  /** The same user asks for the one role, and then, when that is acknowledged, for the other one. */
  #turn(host: HandoverHost, [first, then]: readonly [Role, Role]): void {
    const { clock } = this.world;
    const turnAt = clock.now() + (this.#moment.turnAtMs ?? 0);
    this.#ask(host, first, () =>
      clock.setTimeout(
        () =>
          this.#ask(host, then, () => {
            this.#isTurned = true;
            if (then === 'manager') this.#watchPromise(host, newestView(this.world)?.index ?? 0);
          }),
        Math.max(0, turnAt - clock.now()),
      ),
    );
  }

  /** As `docker node promote` and `demote`, again until it is acknowledged. */
  #ask(host: HandoverHost, role: Role, done: () => void): void {
    const { world } = this;
    const again = (): void => void world.clock.setTimeout(ask, everyMs.ask);
    const ask = (): void => {
      const leader = world.hosts.find(({ manager }) => manager?.isLeading() === true);
      const node = leader?.manager?.view().node(host.id);
      if (leader === undefined || node === undefined) return again();
      if (node.spec.Role === role) return done();
      const spec = { ...node.spec, Role: role };
      void leader
        .command('node.update', { id: node.id, version: node.meta.version, spec })
        .then(({ kind }) => {
          world.say(host.id, `to be a ${role}: ${kind}`, {});
          // one that is not known to be done is seen to be, or asked for again
          return kind === 'acknowledged' ? ask() : again();
        });
    };
    ask();
  }

  /** From the promotion's answer on the log has the manager's copy, and it is not taken away again. */
  #watchPromise(host: HandoverHost, from: number): void {
    const { world } = this;
    const view = newestView(world);
    // who is asked has read the log to its end
    const isNew = view !== undefined && view.index >= from;
    if (this.#promised === undefined && isNew && isSettled(view, host.id)) {
      this.#promised = host.serverOf(host.place?.generation ?? 0);
      world.say(host.id, 'promotion answered', { server: this.#promised });
    }
    const generation = host.place?.generation ?? 0;
    const { copies } = world.members(generation);
    if (this.#promised !== undefined && !copies.has(this.#promised))
      world.fail(new Violation('moment', 'answered as a manager, and the log has no copy of it'));
    world.clock.setTimeout(() => this.#watchPromise(host, from), everyMs.look);
  }

  #secondSubject(): HandoverHost {
    const { hosts } = this.world;
    const { managers, second } = this.#moment;
    return (second === 'join' ? hosts.at(-1) : hosts[managers - 2]) as HandoverHost;
  }

  /** Whoever is not to be a manager any more, and hears of it, becomes a worker; and the other way round. */
  #follow(): void {
    const { world } = this;
    const newest = newestView(world);
    for (const host of world.hosts) {
      const isCut = world.isCutOff(host.id);
      if (newest?.node(host.id)?.role === 'worker' && host.place !== undefined && !isCut)
        host.become(undefined);
      const isTurning = host === this.#subject && this.#moment.turnAtMs !== undefined;
      const isUnplaced = host.place === undefined && newest?.node(host.id)?.role === 'manager';
      if (isTurning && isUnplaced && !isCut) host.become({ nodeId: host.id, ...joiningPlace });
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
    const newest = newestView(world);
    const voters = (newest === undefined ? [] : placedManagers(newest)).filter(isVoter);
    const ids = voters.map(({ id }) => id);
    const isGone = (id: string): boolean => id === host.id || world.host(id)?.place === undefined;
    const left = new Set(ids.filter((id) => !isGone(id)));
    // one that is to go counts until it is gone, and the others have to be a majority without it
    const staying = voters.filter((node) => !isGoing(node)).map(({ id }) => id);
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
    const unused = (host: HandoverHost): boolean => host.place === undefined;
    return lost.every(unused) && lost.length > 0 ? '' : unsettled(world, this.#acknowledged);
  }

  #wrongOf(operation: Operation, host: HandoverHost): string {
    const node = newestView(this.world)?.node(host.id);
    if (operation === 'join') return hasPlace(this.world)(host) ? '' : 'the joiner has no place';
    if (operation === 'nothing') return '';
    if (operation === 'return' || operation === 'withdraw') {
      if (!this.#isTurned) return 'the user has not been heard';
      if (operation === 'return')
        return this.#promised === undefined ? 'the promotion is not answered' : '';
    }
    return node?.role === 'worker' && host.place === undefined ? '' : 'it is a manager still';
  }
}
