import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { cpuSeconds, type Daemon, startDaemon } from '../support/daemon.ts';
import { startEngine, until } from '../support/engine.ts';
import { freePort } from '../support/free-port.ts';
import type { Obedience, WorkersOrder } from './crowd-workers.ts';

const processes = 2;
const joinsInFlight = 16;
const patienceMs = 120_000;

export const managerPids = (daemon: Daemon): readonly number[] => [daemon.pid, daemon.serverPid()];

/** CPU of these processes while `act` runs, s. */
export async function cpuWhile(
  pids: readonly number[],
  act: () => Promise<unknown>,
): Promise<number> {
  const before = cpuSeconds(pids);
  await act();
  return cpuSeconds(pids) - before;
}

/** How many nodes the API shows as ready. */
export async function ready(daemon: Daemon): Promise<number> {
  const { body } = await daemon.api('GET', '/v1.51/nodes');
  const nodes = Array.isArray(body) ? (body as { Status: { State: string } }[]) : [];
  return nodes.filter((node) => node.Status.State === 'ready').length;
}

/**
 * Runs `act` with one manager, whose own containers are simulated in the daemon's process, and a crowd of workers that has
 * yet to join it at `addr`. All of them end afterwards.
 */
export async function withCrowd<T>(
  name: string,
  workers: number,
  act: (daemon: Daemon, crowd: Crowd, addr: string) => Promise<T>,
): Promise<T> {
  const engine = await startEngine({ name });
  try {
    const addr = `127.0.0.1:${await freePort()}`;
    const daemon = await startDaemon(engine, {
      netns: '',
      entry: join(import.meta.dirname, '../support/simulated-daemon.js'),
      args: ['--listen-addr', addr],
    });
    const crowd = new Crowd(workers);
    try {
      await daemon.mustDocker('swarm', 'init');
      return await act(daemon, crowd, addr);
    } finally {
      crowd.end();
      await daemon.stop();
    }
  } finally {
    await engine.stop();
  }
}

/** Many workers in a few processes, real agents with simulated containers, each with its own certificate and connection. */
export class Crowd {
  readonly #workers: number;
  readonly #children: readonly ChildProcess[];
  readonly #events = new Map<string, number>();
  /** Of each process, how many of its agents obey the newest leader. */
  #obedient = new Map<ChildProcess, number>();
  epoch = 0;

  constructor(workers: number) {
    this.#workers = workers;
    const program = join(import.meta.dirname, 'crowd-workers.js');
    this.#children = Array.from({ length: processes }, () => fork(program, { stdio: 'inherit' }));
    for (const child of this.#children)
      child.on('message', (message) => this.#hear(child, message as Obedience));
  }

  /** Resolves with how long it took until all are ready, s. */
  async join(daemon: Daemon, addr: string): Promise<number> {
    const began = performance.now();
    const token = await daemon.mustDocker('swarm', 'join-token', '-q', 'worker');
    const workers = this.#workers;
    const share = { workers: workers / processes, inFlight: joinsInFlight / processes };
    for (const child of this.#children)
      child.send({ addr, token, ...share } satisfies WorkersOrder);
    await until(() => this.agents() === workers, patienceMs, 'all to join');
    await until(async () => (await ready(daemon)) === workers + 1, patienceMs, 'all to be ready');
    return (performance.now() - began) / 1_000;
  }

  agents(): number {
    if (this.#children.some((child) => child.exitCode !== null))
      throw new Error('the workers ended');
    return [...this.#obedient.values()].reduce((sum, agents) => sum + agents, 0);
  }

  pids(): readonly number[] {
    return this.#children.map((child) => child.pid ?? 0);
  }

  /** What went wrong since the last time, and how often. */
  takeEvents(): string {
    const text = JSON.stringify(Object.fromEntries(this.#events));
    this.#events.clear();
    return text;
  }

  end(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  #hear(child: ChildProcess, { epoch, agents, events }: Obedience): void {
    for (const [event, count] of Object.entries(events))
      this.#events.set(event, (this.#events.get(event) ?? 0) + count);
    if (epoch > this.epoch) {
      this.epoch = epoch;
      this.#obedient = new Map();
    }
    if (epoch === this.epoch) this.#obedient.set(child, agents);
  }
}
