// One worker with a real certificate that says whatever it likes, beside a cluster that goes on.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { join as joinPath, resolve } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../bench/statistics.ts';
import { type ApiAnswer, residentBytes } from '../support/daemon.ts';
import { SLEEP, until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import { join, swarmOfManagers } from '../support/swarm-hosts.ts';
import type { IntruderInput } from './intruder.ts';
import { type Clerk, Owners, Rounds } from './owner.ts';

export interface HostileOptions {
  readonly seed: number;
  /** How long the intruder has. */
  readonly seconds: number;
}
export interface HostileResult {
  readonly seed: number;
  /** What must hold and did not, in words; nothing else is a success. */
  readonly broken: readonly string[];
  readonly acked: number;
  readonly lost: number;
  /** Commands' 99th percentile before and beside the intruder. */
  readonly quietP99Ms: number;
  readonly p99Ms: number;
  /** The largest manager (daemon and nats-server): before, at its peak, and afterwards. */
  readonly quietMb: number;
  readonly peakMb: number;
  readonly afterMb: number;
  /** What the fullest state directory of a manager grew by. */
  readonly diskMb: number;
  /** What the intruder did, by kind. */
  readonly [done: `did${string}`]: number;
}

const managers = 3;
const workers = 2;
const owners = 3;
const replicas = 10;
const quietSeconds = 30;
const lookMs = 2_000;
const healLimitMs = 120_000;
const MB = 2 ** 20;
const bounds = { p99: 3, memory: 1.5, diskMb: 64 } as const;
const program = resolve(import.meta.dirname, 'intruder.js');

/** Three managers, two workers, and a host for the intruder; its program is not counted among the cluster's. */
export async function soakHostile(
  { seed, seconds }: HostileOptions,
  progress: (line: string) => void,
): Promise<HostileResult> {
  progress(`seed ${seed}`);
  const hosts = await startHosts(managers + workers + 1);
  try {
    await hosts.loadImage();
    const own = hosts.all.slice(0, managers + workers);
    for (const host of own) await host.startDaemon();
    await swarmOfManagers(own.slice(0, managers));
    for (const host of own.slice(managers)) await join(host, hosts.host(1), 'worker');
    const create = [
      'service',
      'create',
      '--quiet',
      '--name=tasks',
      `--replicas=${replicas}`,
      SLEEP,
    ];
    await hosts.host(1).mustDocker(...create);
    return await siege(hosts, own, { seed, seconds }, progress);
  } finally {
    await hosts.down();
  }
}

async function siege(
  hosts: Hosts,
  own: readonly Host[],
  { seed, seconds }: HostileOptions,
  progress: (line: string) => void,
): Promise<HostileResult> {
  const some = own.slice(0, managers);
  const times = new Times();
  const users = new Owners(owners, (i) => times.around(new Rounds(some, i)), seed, {
    removes: 0,
    scales: 0,
  });
  users.run();
  await sleep(quietSeconds * 1_000);
  const quietP99Ms = times.p99();
  const quietMb = largestMb(some);
  const diskBefore = some.map(diskMb);
  progress(`quiet: p99 ${quietP99Ms.toFixed(0)} ms, ${quietMb.toFixed(0)} MB`);

  const token = await hosts.host(1).mustDocker('swarm', 'join-token', '--quiet', 'worker');
  const ips = some.map(({ ip }) => ip);
  const intruder = start(hosts.host(own.length + 1), { managers: ips, token, seed, seconds });
  const watch = new Watch(some, own, intruder.nodeId);
  let peakMb = 0;
  const end = performance.now() + seconds * 1_000;
  while (performance.now() < end && intruder.child.exitCode === null) {
    await sleep(lookMs);
    peakMb = Math.max(peakMb, largestMb(some));
    await watch.look();
    progress(
      `p99 ${times.soFar().toFixed(0)} ms, ${peakMb.toFixed(0)} MB; ${watch.broken.size} broken`,
    );
  }
  const done = await intruder.done;
  const p99Ms = times.p99();
  await users.stop();
  const diskGrowthMb = Math.max(...some.map((host, i) => diskMb(host) - (diskBefore[i] ?? 0)));
  await watch.removeIntruder();
  await until(() => largestMb(some) <= bounds.memory * quietMb, healLimitMs, 'memory').catch(
    () => undefined,
  );
  const afterMb = largestMb(some);
  await users.verify();
  const { acked, lost } = users.tally();
  watch.expect(lost === 0, `${lost} acknowledged commands lost`);
  watch.expect(p99Ms <= bounds.p99 * quietP99Ms, `p99 is over ${bounds.p99} times the quiet one`);
  watch.expect(
    peakMb <= bounds.memory * quietMb,
    `memory is over ${bounds.memory} times the quiet one`,
  );
  watch.expect(afterMb <= bounds.memory * quietMb, 'memory does not come back');
  watch.expect(
    diskGrowthMb < bounds.diskMb,
    `a state directory grew by ${diskGrowthMb.toFixed(0)} MB`,
  );
  return {
    seed,
    broken: [...watch.broken],
    acked,
    lost,
    quietP99Ms,
    p99Ms,
    quietMb,
    peakMb,
    afterMb,
    diskMb: diskGrowthMb,
    ...Object.fromEntries(Object.entries(done).map(([kind, n]) => [`did_${kind}`, n])),
  };
}

/** How long commands take, since it was last asked. */
class Times {
  #ms: number[] = [];

  around(clerk: Clerk): Clerk {
    return {
      api: async (method, path, body): Promise<ApiAnswer> => {
        const began = performance.now();
        try {
          return await clerk.api(method, path, body);
        } finally {
          if (method !== 'GET') this.#ms.push(performance.now() - began);
        }
      },
    };
  }
  soFar(): number {
    return quantile(this.#ms, 0.99);
  }
  p99(): number {
    const p99 = this.soFar();
    this.#ms = [];
    return p99;
  }
}

/** The intruder's program, on a host's network. */
function start(
  host: Host,
  input: IntruderInput,
): {
  readonly child: ChildProcess;
  readonly nodeId: Promise<string>;
  readonly done: Promise<Record<string, number>>;
} {
  // its CPU time stands for another machine's: the cluster's processes come first
  const argv = ['setpriv', '--pdeathsig', 'KILL', 'nice', '-n', '10', process.execPath, program];
  const child = spawn('nsenter', [`--net=/run/netns/${host.engine.netns}`, '--', ...argv], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(input));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nodeId = lines.next().then(({ value }) => {
    if (value === undefined) throw new Error('the intruder did not get in');
    return (JSON.parse(String(value)) as { readonly nodeId: string }).nodeId;
  });
  const done = nodeId
    .then(() => lines.next())
    .then(async ({ value }) => {
      if (child.exitCode === null) await once(child, 'exit');
      if (value === undefined) throw new Error('the intruder ended early');
      return JSON.parse(String(value)) as Record<string, number>;
    });
  done.catch(() => undefined);
  return { child, nodeId, done };
}

interface ListedNode {
  readonly ID: string;
  readonly Status: { readonly State: string; readonly Message?: string };
}

/** What anybody sees of the cluster through any manager, with the docker CLI too. */
class Watch {
  readonly broken = new Set<string>();
  readonly #managers: readonly Host[];
  readonly #own: readonly Host[];
  readonly #intruder: Promise<string>;
  #containers: string | undefined;
  #next = 0;

  constructor(some: readonly Host[], own: readonly Host[], intruder: Promise<string>) {
    this.#managers = some;
    this.#own = own;
    this.#intruder = intruder;
  }

  expect(holds: boolean, otherwise: string): void {
    if (!holds) this.broken.add(otherwise);
  }

  async look(): Promise<void> {
    const host = this.#managers[this.#next++ % this.#managers.length] as Host;
    const lists = [
      'info',
      'node ls',
      'service ls',
      'service ps tasks',
      'node inspect --pretty self',
    ];
    const shown = await Promise.all(lists.map((line) => host.docker(...line.split(' '))));
    shown.forEach(({ code, stderr }, i) =>
      this.expect(code === 0, `docker ${lists[i]} failed: ${stderr.trim().slice(0, 200)}`),
    );
    const intruder = await this.#intruder;
    for (const node of await nodesSeenBy(host))
      this.expect(
        node.ID === intruder || node.Status.State === 'ready',
        `another node is shown as ${node.Status.State}`,
      );
    const containers = await containersOf(this.#own);
    this.#containers ??= containers;
    this.expect(containers === this.#containers, "another service's container was replaced");
  }

  async removeIntruder(): Promise<void> {
    const [host] = this.#managers as [Host];
    const intruder = await this.#intruder;
    const shown = (await nodesSeenBy(host)).find(({ ID }) => ID === intruder);
    this.expect(
      shown !== undefined && shown.Status.State !== 'ready',
      'the intruder is shown as ready',
    );
    const { code, stderr } = await host.docker('node', 'rm', '--force', intruder);
    this.expect(code === 0, `the intruder cannot be removed: ${stderr.trim().slice(0, 200)}`);
  }
}

async function nodesSeenBy(host: Host): Promise<readonly ListedNode[]> {
  const { status, body } = await host.daemon.api('GET', '/v1.51/nodes');
  return status === 200 ? (body as readonly ListedNode[]) : [];
}

/** The IDs of the watched service's containers, sorted. */
async function containersOf(own: readonly Host[]): Promise<string> {
  const filter = ['--filter', 'label=com.docker.swarm.service.name=tasks'];
  const ids = await Promise.all(
    own.map((host) => host.engine.mustDocker('ps', '--quiet', '--no-trunc', ...filter)),
  );
  return ids
    .flatMap((some) => some.split('\n'))
    .filter((id) => id !== '')
    .toSorted()
    .join();
}

const largestMb = (some: readonly Host[]): number =>
  Math.max(...some.map((host) => residentBytes([host.pid('daemon'), host.pid('server')]) / MB));

/** What the state directory holds. */
function diskMb({ stateDir }: Host): number {
  const dir = joinPath(stateDir, 'natswarm');
  const files = readdirSync(dir, { recursive: true, withFileTypes: true });
  return files.reduce((sum, file) => {
    if (!file.isFile()) return sum;
    const stat = statSync(joinPath(file.parentPath, file.name), { throwIfNoEntry: false });
    return sum + (stat?.size ?? 0) / MB;
  }, 0);
}
