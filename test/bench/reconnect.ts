import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, type Daemon, residentBytes } from '../support/daemon.ts';
import { until } from '../support/engine.ts';
import { cpuWhile, type Crowd, managerPids, ready, withCrowd } from './crowd.ts';
import { median } from './statistics.ts';

const workers = 1_000;
const rounds = 5;
const calmMs = 5_000;
const patienceMs = 120_000;

/**
 * 1,000 workers, real agents with simulated containers, each with its own certificate and connection. `seconds`: from
 * kill -9 of the only manager's daemon and nats-server, which is started again at once, until every worker has a session
 * with the new leader and GET /nodes shows all of them ready. Beside it the CPU that this took, `managerCpuS` (daemon
 * and nats-server, from their start) and `workersCpuS` (which share the cores), and what standing still takes.
 */
export const bench = (progress: (line: string) => void): Promise<Record<string, number>> =>
  withCrowd('reconnect', workers, async (daemon, crowd, addr) => {
    const joinedS = await crowd.join(daemon, addr);
    progress(`${workers} workers have joined and are ready after ${joinedS.toFixed(1)} s`);
    return { ...(await measure(daemon, crowd, progress)), joinedS };
  });

async function measure(
  daemon: Daemon,
  crowd: Crowd,
  progress: (line: string) => void,
): Promise<Record<string, number>> {
  const runs: Run[] = [];
  for (let round = 1; round <= rounds; round++) {
    const standing = await cpuWhile(managerPids(daemon), () => sleep(calmMs));
    const run = { ...(await outage(daemon, crowd)), calmPercent: (standing / calmMs) * 1e5 };
    runs.push(run);
    progress(
      `round ${round}/${rounds}: ${run.seconds.toFixed(2)} s, sessions ${run.sessionsS.toFixed(2)} s, API ${run.apiS.toFixed(2)} s; CPU of the manager ${run.managerCpuS.toFixed(1)} s, of the workers ${run.workersCpuS.toFixed(1)} s; calm ${run.calmPercent.toFixed(1)} % ${crowd.takeEvents()}`,
    );
  }
  const of = (field: keyof Run): number => median(runs.map((run) => run[field]));
  return {
    seconds: of('seconds'),
    sessionsS: of('sessionsS'),
    apiS: of('apiS'),
    managerCpuS: of('managerCpuS'),
    workersCpuS: of('workersCpuS'),
    calmPercent: of('calmPercent'),
    managerRssMb: residentBytes(managerPids(daemon)) / 2 ** 20,
    workersRssMb: residentBytes(crowd.pids()) / 2 ** 20,
  };
}

interface Run {
  readonly seconds: number;
  /** From the kill until the API answers, and until the last worker's session. */
  readonly apiS: number;
  readonly sessionsS: number;
  readonly managerCpuS: number;
  readonly workersCpuS: number;
  /** Of a core: daemon and nats-server while nothing happens but heartbeats. */
  readonly calmPercent: number;
}

async function outage(daemon: Daemon, crowd: Crowd): Promise<Omit<Run, 'calmPercent'>> {
  const before = crowd.epoch;
  const workersCpu = cpuSeconds(crowd.pids());
  const began = performance.now();
  const since = (): number => (performance.now() - began) / 1_000;
  process.kill(daemon.serverPid(), 'SIGKILL');
  await daemon.kill();
  await daemon.start();
  const apiS = since();
  await until(() => crowd.epoch > before && crowd.agents() === workers, patienceMs, 'all sessions');
  const sessionsS = since();
  await until(async () => (await ready(daemon)) === workers + 1, patienceMs, 'all to be ready');
  return {
    seconds: since(),
    apiS,
    sessionsS,
    managerCpuS: cpuSeconds(managerPids(daemon)),
    workersCpuS: cpuSeconds(crowd.pids()) - workersCpu,
  };
}
