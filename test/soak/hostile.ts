// Somebody hostile, beside a cluster that goes on.

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
import type { IntruderInput } from './intruder-main.ts';
import { type Clerk, Owners, Rounds } from './owner.ts';
import { Watch, watched } from './watch.ts';

export interface HostileOptions {
  readonly seed: number;
  /** How long the intruder has. */
  readonly seconds: number;
  /** A worker with a certificate, somebody without one at the ports, or a client of the API's socket. */
  readonly who: IntruderInput['who'];
}
export interface HostileResult {
  readonly seed: number;
  /** What must hold on any machine and did not, in words. */
  readonly broken: readonly string[];
  /** Figures that are over their bounds, in words. */
  readonly missed: readonly string[];
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
  readonly [done: `did_${string}`]: number;
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
const program = resolve(import.meta.dirname, 'intruder-main.js');

/** Three managers, two workers, and a host for the intruder; its program is not counted among the cluster's. */
export async function soakHostile(
  { seed, seconds, who }: HostileOptions,
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
      `--name=${watched}`,
      `--replicas=${replicas}`,
      SLEEP,
    ];
    await hosts.host(1).mustDocker(...create);
    return await siege(hosts, own, { seed, seconds, who }, progress);
  } finally {
    await hosts.down();
  }
}

async function siege(
  hosts: Hosts,
  own: readonly Host[],
  { seed, seconds, who }: HostileOptions,
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
  const intruder = start(hosts.host(own.length + 1), {
    who,
    managers: ips,
    sockets: some.map(({ daemon }) => daemon.socket),
    token,
    seed,
    seconds,
  });
  const watch = new Watch(
    some.map(({ daemon }) => daemon),
    own.map(({ engine }) => engine),
    await intruder.nodeId,
  );
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
  if (who === 'worker') await watch.removeIntruder();
  await until(() => largestMb(some) <= bounds.memory * quietMb, healLimitMs, 'memory').catch(
    () => undefined,
  );
  const afterMb = largestMb(some);
  await users.verify();
  const { acked, lost } = users.tally();
  watch.expect(lost === 0, `${lost} acknowledged commands lost`);
  const missed = [
    p99Ms > bounds.p99 * quietP99Ms && `p99 is over ${bounds.p99} times the quiet one`,
    peakMb > bounds.memory * quietMb && `memory is over ${bounds.memory} times the quiet one`,
    afterMb > bounds.memory * quietMb && 'memory does not come back',
    diskGrowthMb >= bounds.diskMb && `a state directory grew by ${diskGrowthMb.toFixed(0)} MB`,
  ].filter((one) => one !== false);
  return {
    seed,
    broken: [...watch.broken],
    missed,
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
