import { setTimeout as sleep } from 'node:timers/promises';
import { SLEEP, until } from '../support/engine.ts';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import { join, nodeIdOf } from '../support/swarm-hosts.ts';
import { median } from './statistics.ts';

const replicas = 30;
const workers = 3;
/** No host loses its power three times: it would rest before it is used again. */
const rounds = 6;

interface ListedTask {
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Status: { readonly State: string };
}

/**
 * A manager that is drained and three workers with ten of 30 tasks each, on hosts of their own, default settings. The
 * power of one worker is cut: `downMs` until the API shows it down, `runningMs` until 30 tasks run on the others. Medians
 * of six; each worker is lost twice.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const hosts = await startHosts(workers + 1);
  try {
    await hosts.loadImage();
    await hosts.startDaemons();
    return await measure(hosts, progress);
  } finally {
    await hosts.down();
  }
}

async function measure(
  hosts: Hosts,
  progress: (line: string) => void,
): Promise<Record<string, number>> {
  const cluster = await Cluster.start(hosts);
  const downs: number[] = [];
  const runnings: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const lost = hosts.host(2 + (round % workers));
    await cluster.spread(`round-${round}`);
    const { downMs, runningMs } = await cluster.lose(lost);
    downs.push(downMs);
    runnings.push(runningMs);
    progress(
      `round ${round}/${rounds}: ${lost.name} down after ${downMs.toFixed(0)} ms, all run after ${runningMs.toFixed(0)} ms`,
    );
    await cluster.bringBack(lost);
  }
  return {
    runningMs: median(runnings),
    runningMsMax: Math.max(...runnings),
    downMs: median(downs),
    downMsMax: Math.max(...downs),
  };
}

class Cluster {
  readonly #manager: Host;
  readonly #ids: ReadonlyMap<Host, string>;
  #service = '';

  private constructor(manager: Host, ids: ReadonlyMap<Host, string>) {
    this.#manager = manager;
    this.#ids = ids;
  }

  static async start({ all }: Hosts): Promise<Cluster> {
    const [manager, ...others] = all as readonly [Host, ...Host[]];
    await manager.mustDocker('swarm', 'init', '--availability=drain');
    for (const host of others) await join(host, manager, 'worker');
    const ids = new Map<Host, string>();
    for (const host of all) ids.set(host, await nodeIdOf(host));
    const cluster = new Cluster(manager, ids);
    for (const host of all) await cluster.#untilState(host, 'ready');
    return cluster;
  }

  /** A new service with a third of its tasks on each worker. */
  async spread(name: string): Promise<void> {
    const { status, text } = await this.#manager.daemon.api('POST', '/v1.51/services/create', {
      Name: name,
      TaskTemplate: { ContainerSpec: { Image: SLEEP } },
      Mode: { Replicated: { Replicas: replicas } },
    });
    if (status !== 201) throw new Error(text);
    this.#service = name;
    await until(async () => (await this.#running()).length === replicas, 60_000, 'all tasks');
    await sleep(2_000); // nothing of the start is left to do
  }

  async lose(host: Host): Promise<{ readonly downMs: number; readonly runningMs: number }> {
    const lost = this.#ids.get(host);
    const had = (await this.#running()).filter(({ NodeID }) => NodeID === lost).length;
    if (had !== replicas / workers) throw new Error(`${host.name} has ${had} tasks`);
    const began = performance.now();
    const off = host.powerOff();
    await this.#untilState(host, 'down');
    const downMs = performance.now() - began;
    await until(
      async () =>
        (await this.#running()).filter(({ NodeID }) => NodeID !== lost).length === replicas,
      60_000,
      'all tasks to run elsewhere',
    );
    const runningMs = performance.now() - began;
    await off;
    return { downMs, runningMs };
  }

  async bringBack(host: Host): Promise<void> {
    await host.boot();
    await host.startDaemon();
    await this.#untilState(host, 'ready');
    await this.#manager.daemon.api('DELETE', `/v1.51/services/${this.#service}`);
    await until(
      async () => ((await this.#get('/tasks')) as readonly unknown[]).length === 0,
      60_000,
      'the tasks to go',
    );
  }

  async #untilState(host: Host, state: string): Promise<void> {
    const path = `/nodes/${this.#ids.get(host)}`;
    const isThere = async (): Promise<boolean> =>
      ((await this.#get(path)) as { Status: { State: string } }).Status.State === state;
    await until(isThere, 30_000, `${host.name} to be ${state}`);
  }

  async #running(): Promise<readonly ListedTask[]> {
    const tasks = (await this.#get('/tasks')) as readonly ListedTask[];
    return tasks.filter((t) => t.DesiredState === 'running' && t.Status.State === 'running');
  }

  async #get(path: string): Promise<unknown> {
    const { status, body, text } = await this.#manager.daemon.api('GET', `/v1.51${path}`);
    if (status !== 200) throw new Error(`${path}: ${text}`);
    return body;
  }
}
