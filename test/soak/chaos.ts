// Everything that happens to a cluster, at random, under a stream of commands.

import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../sim/world/random.ts';
import { SLEEP, until } from '../support/engine.ts';
import { type Host, type Hosts, type Part, startHosts } from '../support/hosts.ts';
import { join, managersSeenBy, swarmOfManagers, untilManagers } from '../support/swarm-hosts.ts';
import { Doubles } from './doubles.ts';
import { Operations } from './operations.ts';
import { Owners, Rounds } from './owner.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly seconds: number;
}
export interface ChaosResult {
  readonly seed: number;
  readonly faults: number;
  readonly faultsOnLeaders: number;
  /** Commands on the cluster itself that were done, and that failed, as the CLI said. */
  readonly operations: number;
  readonly operationsFailed: number;
  readonly acked: number;
  readonly unknown: number;
  /** Acknowledged commands of which the state knows nothing. */
  readonly lost: number;
  /** Slots of which two containers ran for longer than there was a reason for. */
  readonly doubled: number;
  /** From the last fault's end to one running task a slot, all managers and nodes being well; ms. */
  readonly convergedMs: number;
}

const managers = 3;
const workers = 2;
const owners = 6;
const replicas = 10;
const convergeLimitMs = 120_000;
const leaderChance = 0.4;
const faultMs = { min: 500, max: 5_000 } as const;
const gapMs = { min: 500, max: 3_500 } as const;

/**
 * Three managers and two workers on hosts of their own, and a fault after the other, each taken back, while the cluster is
 * operated: roots and keys are rotated, nodes promoted and demoted, a service updated.
 */
export async function chaos(
  { seed, seconds }: ChaosOptions,
  progress: (line: string) => void,
): Promise<ChaosResult> {
  progress(`seed ${seed}`);
  const hosts = await startHosts(managers + workers);
  try {
    await hosts.loadImage();
    await hosts.startDaemons();
    const some = hosts.all.slice(0, managers);
    await swarmOfManagers(some);
    for (const host of hosts.all.slice(managers)) await join(host, hosts.host(1), 'worker');
    await hosts
      .host(1)
      .mustDocker('service', 'create', '--quiet', '--name=tasks', `--replicas=${replicas}`, SLEEP);
    return await storm(hosts, some, seed, seconds, progress);
  } finally {
    await hosts.down();
  }
}

async function storm(
  hosts: Hosts,
  some: readonly Host[],
  seed: number,
  seconds: number,
  progress: (line: string) => void,
): Promise<ChaosResult> {
  const users = new Owners(owners, (i) => new Rounds(some, i), seed, { removes: 0, scales: 0 });
  users.run();
  const doubles = new Doubles(hosts.all, 'tasks', progress);
  const watching = doubles.watch();
  const workersOnly = hosts.all.slice(managers);
  const operations = new Operations(some, workersOnly, new Random(seed, 'operations'), progress);
  operations.run();
  const unlock = (host: Host): Promise<void> => operations.unlock(host);
  const trouble = new Trouble(hosts, some, new Random(seed, 'chaos'), doubles, unlock);
  const end = performance.now() + seconds * 1_000;
  try {
    while (performance.now() < end)
      progress(`${await trouble.next()}; ${users.tally().acked} acknowledged`);
  } finally {
    await Promise.all([users.stop(), operations.stop()]);
  }
  const began = performance.now();
  await untilManagers(some);
  await until(() => allWell(some), convergeLimitMs, 'all nodes to be ready');
  await until(() => doubles.isWhole(replicas), convergeLimitMs, 'one container a slot');
  const convergedMs = performance.now() - began;
  doubles.stop();
  await watching;
  await users.verify();
  const { acked, unknown, lost } = users.tally();
  return {
    seed,
    faults: trouble.count,
    faultsOnLeaders: trouble.onLeaders,
    operations: operations.done,
    operationsFailed: operations.failed,
    acked,
    unknown,
    lost,
    doubled: doubles.found,
    convergedMs: Math.round(convergedMs),
  };
}

async function allWell([host]: readonly Host[]): Promise<boolean> {
  const out = await host?.mustDocker('node', 'ls', '--format', '{{.Status}}');
  return out?.split('\n').every((status) => status === 'Ready') === true;
}

type Fault = (host: Host, lastMs: number) => Promise<void>;

/** One fault after the other, on hosts at random; each is over when `next` resolves. */
class Trouble {
  count = 0;
  onLeaders = 0;
  readonly #hosts: Hosts;
  readonly #managers: readonly Host[];
  readonly #random: Random;
  readonly #doubles: Doubles;
  readonly #unlock: (host: Host) => Promise<void>;
  readonly #faults: Readonly<Record<string, Fault>> = {
    'kill -9 of the daemon': async (host, ms) => {
      await host.killDaemon();
      await sleep(ms);
      await this.#startDaemon(host);
    },
    'SIGTERM to the daemon': async (host, ms) => {
      await host.stopDaemon();
      await sleep(ms);
      await this.#startDaemon(host);
    },
    'kill -9 of nats-server': async (host, ms) => {
      if (host.pid('server') > 0) await host.killServer();
      await sleep(ms);
    },
    'power-off': async (host, ms) => {
      await host.powerOff();
      await sleep(ms);
      await host.boot();
      await this.#startDaemon(host);
    },
    partition: async (host, ms) => {
      await this.#hosts.cut(host);
      await sleep(2 * ms);
      await this.#hosts.heal(host);
    },
    'one way partition': async (host, ms) => {
      await this.#hosts.cutTo(host);
      await sleep(ms);
      await this.#hosts.heal(host);
    },
    'SIGSTOP of the daemon': (host, ms) => this.#pause(host, 'daemon', ms),
    'SIGSTOP of nats-server': (host, ms) => this.#pause(host, 'server', ms),
    'kill -9 of the engine': async (host, ms) => {
      await host.engine.kill();
      await sleep(ms);
      await host.engine.start();
    },
    'SIGSTOP of the engine': (host, ms) => this.#pause(host, 'engine', 3 * ms),
  };

  constructor(
    hosts: Hosts,
    some: readonly Host[],
    random: Random,
    doubles: Doubles,
    unlock: (host: Host) => Promise<void>,
  ) {
    this.#unlock = unlock;
    this.#hosts = hosts;
    this.#managers = some;
    this.#random = random;
    this.#doubles = doubles;
  }

  async next(): Promise<string> {
    const random = this.#random;
    await sleep(random.between(gapMs.min, gapMs.max));
    const wantsLeader = random.chance(leaderChance);
    const leader = wantsLeader ? await this.#leader() : undefined;
    const host = leader ?? random.pick(this.#hosts.all);
    const what = random.pick(Object.keys(this.#faults));
    this.count += 1;
    if (leader !== undefined) this.onLeaders += 1;
    this.#doubles.begins(host);
    await this.#faults[what]?.(host, random.between(faultMs.min, faultMs.max));
    this.#doubles.ends(host);
    return `fault ${this.count}: ${what} on ${host.name}${leader === undefined ? '' : ', the leader'}`;
  }

  async #startDaemon(host: Host): Promise<void> {
    await host.startDaemon();
    await this.#unlock(host);
  }

  async #pause(host: Host, part: Part, ms: number): Promise<void> {
    if (host.pid(part) === 0) return;
    await host.pause(part);
    await sleep(ms);
    host.resume(part);
  }

  /** As far as somebody tells. */
  async #leader(): Promise<Host | undefined> {
    for (const host of this.#managers) {
      const seen = await managersSeenBy(host).catch(() => undefined);
      const name = Object.entries(seen ?? {}).find(([, status]) => status === 'Leader')?.[0];
      if (name !== undefined) return this.#hosts.all.find((one) => one.name === name);
    }
    return undefined;
  }
}
