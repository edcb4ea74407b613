import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, type Daemon, residentBytes } from '../support/daemon.ts';
import { until } from '../support/engine.ts';
import { labelCluster } from '../support/swarm-hosts.ts';
import { cpuWhile, type Crowd, managerPids, withCrowd } from './crowd.ts';
import { median } from './statistics.ts';

const workers = 1_000;
const calmMs = 10_000;
/** Until all sessions have the heartbeat of a cluster of this size, which 50 of them take in a second. */
const restMs = 25_000;
const patienceMs = 180_000;
/** Between two looks, ms: a look at 10,000 tasks costs the daemon. */
const lookMs = { services: 50, tasks: 250 } as const;
const lists = 5;
/** Nobody but the workers runs tasks: the daemon's own engine is simulated in the daemon's process. */
const placement = { Constraints: ['node.role == worker'] };

/**
 * One manager and 1,000 workers in two processes, real agents with simulated containers. Of a service with 1,000 and one
 * with 10,000 replicas: from its POST until `ServiceStatus` counts all as running (`s1k`, `s10k`), and from its DELETE
 * until GET /tasks is empty; the CPU that a task of the 10,000 costs each side, from POST to RUNNING; GET /tasks of all
 * of them; what standing still takes of a core (daemon and nats-server).
 */
export const bench = (progress: (line: string) => void): Promise<Record<string, number>> =>
  withCrowd('scale', workers, async (daemon, crowd, addr) => {
    // how fast it can be, not how fast it may be
    await labelCluster(daemon, { 'natswarm.joins.rate': '100000' });
    const join1kS = await crowd.join(daemon, addr);
    progress(`${workers} workers are ready after ${join1kS.toFixed(1)} s`);
    return { ...(await measure(daemon, crowd, progress)), join1kS };
  });

async function measure(
  daemon: Daemon,
  crowd: Crowd,
  progress: (line: string) => void,
): Promise<Record<string, number>> {
  await sleep(restMs);
  const standing = await cpuWhile(managerPids(daemon), () => sleep(calmMs));
  const idlePercent = (standing / calmMs) * 1e5;
  progress(`standing still: ${idlePercent.toFixed(1)} % of a core; ${crowd.takeEvents()}`);
  const small = await round(daemon, crowd, 1_000);
  progress(`1k: ${JSON.stringify(small)}; ${crowd.takeEvents()}`);
  const large = await round(daemon, crowd, 10_000);
  progress(`10k: ${JSON.stringify(large)}; ${crowd.takeEvents()}`);
  return {
    s1k: small.seconds,
    s10k: large.seconds,
    removeS1k: small.removeS,
    removeS10k: large.removeS,
    daemonCpuMsPerTask1k: small.daemonMs,
    daemonCpuMsPerTask: large.daemonMs,
    natsCpuMsPerTask: large.natsMs,
    agentCpuMsPerTask: large.agentMs,
    idlePercent,
    listMs1k: small.listMs,
    listMs10k: large.listMs,
    rssMb: large.rssMb,
  };
}

interface Round {
  readonly seconds: number;
  readonly removeS: number;
  /** CPU for one task from POST to RUNNING, ms: of the daemon, of nats-server, of the agents. */
  readonly daemonMs: number;
  readonly natsMs: number;
  readonly agentMs: number;
  readonly listMs: number;
  /** Of daemon and nats-server at the end. */
  readonly rssMb: number;
}

async function round(daemon: Daemon, crowd: Crowd, replicas: number): Promise<Round> {
  const name = `scale-${replicas}`;
  const sides = [[daemon.pid], [daemon.serverPid()], crowd.pids()] as const;
  const before = sides.map(cpuSeconds);
  const seconds = await timed(async () => {
    await must(daemon, 'POST', '/services/create', {
      Name: name,
      TaskTemplate: { ContainerSpec: { Image: 'sleep' }, Placement: placement },
      Mode: { Replicated: { Replicas: replicas } },
    });
    await until(async () => (await running(daemon)) === replicas, patienceMs, 'all to run');
  });
  const [daemonMs = 0, natsMs = 0, agentMs = 0] = sides.map(
    (pids, i) => ((cpuSeconds(pids) - (before[i] ?? 0)) * 1_000) / replicas,
  );
  const times: number[] = [];
  for (let n = 0; n < lists; n++)
    times.push((await timed(() => must(daemon, 'GET', '/tasks'))) * 1_000);
  const rssMb = residentBytes(managerPids(daemon)) / 2 ** 20;
  const removeS = await timed(async () => {
    await must(daemon, 'DELETE', `/services/${name}`);
    await until(() => isEmpty(daemon), patienceMs, 'all tasks to be gone');
  });
  return { seconds, removeS, daemonMs, natsMs, agentMs, listMs: median(times), rssMb };
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return (performance.now() - began) / 1_000;
}

/** The answer's text; throws what the API said instead. */
async function must(daemon: Daemon, method: string, path: string, body?: object): Promise<string> {
  const { status, text } = await daemon.api(method, `/v1.51${path}`, body);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  return text;
}

async function isEmpty(daemon: Daemon): Promise<boolean> {
  await sleep(lookMs.tasks);
  return (await must(daemon, 'GET', '/tasks')).trim() === '[]';
}

async function running(daemon: Daemon): Promise<number> {
  await sleep(lookMs.services);
  const services = JSON.parse(await must(daemon, 'GET', '/services?status=true')) as readonly {
    readonly ServiceStatus: { readonly RunningTasks: number };
  }[];
  return services[0]?.ServiceStatus.RunningTasks ?? 0;
}
