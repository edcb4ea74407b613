import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cpuSeconds, type Daemon, residentBytes, startDaemon } from '../support/daemon.ts';
import { startEngine, until } from '../support/engine.ts';
import { freePort } from '../support/free-port.ts';
import { labelCluster, logOf } from '../support/swarm-hosts.ts';
import type { JoinOrder, JoinOutcome } from './join-clients.ts';
import { median, quantile } from './statistics.ts';

const rounds = 5;
const joinsPerRound = 1_000;
const inFlight = 32;

interface Round {
  readonly perS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU for one join, ms. */
  readonly managerMs: number;
  readonly joinersMs: number;
}

/**
 * Nodes that join a second: each over a TLS connection of its own, with token and request, until its record is
 * committed and its certificate there; 32 at a time, keys made beforehand. The joiners are a process of their own and
 * take part of the same cores: `joinersCpuMs` stands beside `managerCpuMs` (daemon and nats-server), both for one join.
 * The cluster grows by 1,000 nodes a round: `managerCpuMsLast` against `managerCpuMsFirst` tells what its size costs.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const alone = await withManagers(1, progress);
  const several = await withManagers(3, progress);
  return { ...alone, ...several };
}

/** The daemons meet on loopback; their executors are simulated. */
async function withManagers(
  count: 1 | 3,
  progress: (line: string) => void,
): Promise<Record<string, number>> {
  const engine = await startEngine({ name: 'bench-join' });
  const daemons: Daemon[] = [];
  const ports: number[] = [];
  try {
    const entry = join(import.meta.dirname, '../support/simulated-daemon.js');
    for (let n = 0; n < count; n++) {
      const port = await freePort();
      const args = ['--listen-addr', `127.0.0.1:${port}`];
      daemons.push(await startDaemon(engine, { netns: '', entry, args }));
      ports.push(port);
    }
    const [first, ...others] = daemons as [Daemon, ...Daemon[]];
    await first.mustDocker('swarm', 'init');
    // how fast it can be, not how fast it may be
    await labelCluster(first, { 'natswarm.joins.rate': '100000' });
    const token = await first.mustDocker('swarm', 'join-token', '-q', 'manager');
    for (const other of others)
      await other.mustDocker('swarm', 'join', '--token', token, `127.0.0.1:${ports[0]}`);
    if (count > 1) await untilCopies(first, count);
    progress(`${count} manager${count > 1 ? 's' : ''}`);
    const taken = await joinRounds(daemons, ports, progress);
    if (count > 1) return { threeManagersPerS: median(taken.map(({ perS }) => perS)) };
    return { ...figures('oneManagerPerS', taken), rssMb: residentMb(first) };
  } finally {
    for (const daemon of daemons.toReversed()) await daemon.stop();
    await engine.stop();
  }
}

const untilCopies = (daemon: Daemon, count: number): Promise<void> =>
  until(
    async () => {
      const { Copies, Unsettled } = await logOf(daemon);
      return Copies === count && Unsettled === undefined;
    },
    30_000,
    `${count} copies of the log`,
  );

const residentMb = (daemon: Daemon): number =>
  residentBytes([daemon.pid, daemon.serverPid()]) / 2 ** 20;

function figures(name: string, taken: readonly Round[]): Record<string, number> {
  const of = (field: keyof Round): number => median(taken.map((round) => round[field]));
  return {
    [name]: of('perS'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    managerCpuMs: of('managerMs'),
    joinersCpuMs: of('joinersMs'),
    joinersCpuShare: of('joinersMs') / (of('joinersMs') + of('managerMs')),
    managerCpuMsFirst: taken[0]?.managerMs ?? Number.NaN,
    managerCpuMsLast: taken.at(-1)?.managerMs ?? Number.NaN,
  };
}

/** Rounds of joins, spread over the listeners of one cluster's managers. */
async function joinRounds(
  managers: readonly Daemon[],
  ports: readonly number[],
  progress: (line: string) => void,
): Promise<readonly Round[]> {
  const [first] = managers as [Daemon];
  const file = join(first.stateDir, 'certificates', 'swarm-root-ca.crt');
  const order = {
    root: await readFile(file, 'utf8'),
    token: await first.mustDocker('swarm', 'join-token', '-q', 'worker'),
  };
  const joiners = ports.map((port) => ({ port, process: fork(clients, { stdio: 'inherit' }) }));
  const round = async (count: number): Promise<Round> => {
    const pids = managers.flatMap((manager) => [manager.pid, manager.serverPid()]);
    const before = cpuSeconds(pids);
    const share = {
      joins: Math.ceil(count / ports.length),
      inFlight: Math.ceil(inFlight / ports.length),
    };
    const outcomes = await Promise.all(
      joiners.map(({ port, process }) => ask(process, { ...order, ...share, port })),
    );
    return summary(outcomes, (cpuSeconds(pids) - before) * 1_000);
  };
  try {
    const taken: Round[] = [];
    await round(200);
    for (let n = 1; n <= rounds; n++) {
      const done = await round(joinsPerRound);
      taken.push(done);
      progress(
        `round ${n}/${rounds}: ${done.perS.toFixed(0)}/s p50 ${done.p50Ms.toFixed(0)} ms, CPU of a join ${done.managerMs.toFixed(2)} ms, of its joiner ${done.joinersMs.toFixed(2)} ms`,
      );
    }
    return taken;
  } finally {
    for (const { process } of joiners) process.kill();
  }
}

const clients = join(import.meta.dirname, 'join-clients.js');

async function ask(child: ChildProcess, order: JoinOrder): Promise<JoinOutcome> {
  child.send(order);
  const [answer] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => {
      throw new Error('the joiners ended');
    }),
  ])) as [JoinOutcome];
  return answer;
}

function summary(outcomes: readonly JoinOutcome[], managerCpuMs: number): Round {
  const latencies = outcomes.flatMap(({ latenciesMs }) => latenciesMs);
  const joins = latencies.length;
  return {
    perS: (joins * 1_000) / Math.max(...outcomes.map(({ tookMs }) => tookMs)),
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    managerMs: managerCpuMs / joins,
    joinersMs: outcomes.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / joins,
  };
}
