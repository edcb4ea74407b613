import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, type Daemon, residentBytes, startDaemon } from '../support/daemon.ts';
import { startEngine, until } from '../support/engine.ts';
import { median } from './statistics.ts';

const services = 200;
const rounds = 5;
const roundMs = 6_000;
const crashers = 10;

/**
 * CPU of a daemon that has nothing to do: 200 services of one task each, simulated containers, `idlePercent` of one core
 * (daemon and nats-server), median of five. Then ten crash-looping services beside them with a restart delay of 100 ms:
 * `crashLoopPercent`, and `historyTasks`, the most tasks kept for one of them.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const engine = await startEngine({ name: 'idle' });
  try {
    const entry = join(import.meta.dirname, '../support/simulated-daemon.js');
    const daemon = await startDaemon(engine, { netns: '', entry });
    try {
      await daemon.mustDocker('swarm', 'init');
      for (let n = 0; n < services; n++) await create(daemon, `idle-${n}`, 'sleep:1', {});
      await until(async () => (await running(daemon)) === services, 60_000, 'all tasks');
      await sleep(3_000);
      const idle = await measure(daemon, 'idle', progress);
      for (let n = 0; n < crashers; n++)
        await create(daemon, `crash-${n}`, 'crash:1', { RestartPolicy: { Delay: 100e6 } });
      await sleep(5_000);
      const crashing = await measure(daemon, `${crashers} crash loops`, progress);
      return {
        idlePercent: median(idle),
        crashLoopPercent: median(crashing),
        historyTasks: await longestHistory(daemon),
        rssMb: residentBytes([daemon.pid, daemon.serverPid()]) / 2 ** 20,
      };
    } finally {
      await daemon.stop();
    }
  } finally {
    await engine.stop();
  }
}

async function measure(
  daemon: Daemon,
  what: string,
  progress: (line: string) => void,
): Promise<readonly number[]> {
  const percents: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const pids = [daemon.pid, daemon.serverPid()];
    const began = performance.now();
    const before = cpuSeconds(pids);
    await sleep(roundMs);
    const percent = ((cpuSeconds(pids) - before) / ((performance.now() - began) / 1_000)) * 100;
    percents.push(percent);
    progress(`${what}, round ${round}/${rounds}: ${percent.toFixed(2)} % of a core`);
  }
  return percents;
}

async function create(daemon: Daemon, name: string, image: string, task: object): Promise<void> {
  const { status, text } = await daemon.api('POST', '/v1.51/services/create', {
    Name: name,
    TaskTemplate: { ContainerSpec: { Image: image }, ...task },
    Mode: { Replicated: { Replicas: 1 } },
  });
  if (status !== 201) throw new Error(text);
}

interface ListedTask {
  readonly ServiceID: string;
  readonly Status: { readonly State: string };
}
const tasksOf = async (daemon: Daemon): Promise<readonly ListedTask[]> =>
  (await daemon.api('GET', '/v1.51/tasks')).body as readonly ListedTask[];

const running = async (daemon: Daemon): Promise<number> =>
  (await tasksOf(daemon)).filter((t) => t.Status.State === 'running').length;

async function longestHistory(daemon: Daemon): Promise<number> {
  const counts = new Map<string, number>();
  for (const { ServiceID } of await tasksOf(daemon))
    counts.set(ServiceID, (counts.get(ServiceID) ?? 0) + 1);
  return Math.max(...counts.values());
}
