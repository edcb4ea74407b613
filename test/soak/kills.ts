import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../sim/world/random.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type Engine, loadImages, SLEEP, startEngine, until } from '../support/engine.ts';
import { Owners } from './owner.ts';

export interface KillsOptions {
  readonly kills: number;
  /** Acknowledged commands to reach before the end. */
  readonly acked: number;
  readonly seed: number;
}
export interface KillsResult {
  readonly seed: number;
  readonly kills: number;
  readonly acked: number;
  readonly refused: number;
  /** Commands whose answer never came; either outcome is right. */
  readonly unknown: number;
  /** Acknowledged commands of which the state knows nothing. */
  readonly lost: number;
  /** Containers of the untouched service that are not as they were. */
  readonly restarted: number;
  /** From the last kill to all services running as specified, ms. */
  readonly convergedMs: number;
}
type Progress = (line: string) => void;

const stillReplicas = 20;
const owners = 8;
const killGapMs = { min: 10, max: 2_500 } as const;
const recoverLimitMs = 30_000;
const convergeLimitMs = 120_000;

/**
 * kill -9 of daemon and nats-server in turn, at random moments under a stream of commands. Every acknowledged command
 * has to be there afterwards, and the containers of a service that nobody touches have to run on.
 */
export async function soakKills(options: KillsOptions, progress: Progress): Promise<KillsResult> {
  const engine = await startEngine({ name: 'kills' });
  try {
    await loadImages(engine);
    const daemon = await startDaemon(engine);
    try {
      await daemon.mustDocker('swarm', 'init');
      return await soak(engine, daemon, options, progress);
    } finally {
      await daemon.stop();
    }
  } finally {
    await engine.stop();
  }
}

async function soak(
  engine: Engine,
  daemon: Daemon,
  options: KillsOptions,
  progress: Progress,
): Promise<KillsResult> {
  const { seed } = options;
  progress(`seed ${seed}`);
  const still = await startStill(engine, daemon);
  const users = new Owners(owners, () => daemon, seed);
  users.run();
  const restarted = new Set<string>();
  const kill = new Killer(daemon, new Random(seed, 'kills'));
  try {
    for (let n = 1; n <= options.kills || users.tally().acked < options.acked; n++) {
      if (n <= options.kills) progress(await kill.next(n));
      else await sleep(1_000);
      for (const id of await changed(engine, still)) restarted.add(id);
      const { acked, unknown } = users.tally();
      if (n % 10 === 0) progress(`${acked} acknowledged, ${unknown} unknown`);
    }
  } finally {
    await users.stop();
  }
  const convergedMs = await converge(daemon, users);
  for (const id of await changed(engine, still)) restarted.add(id);
  return {
    seed,
    kills: options.kills,
    ...users.tally(),
    restarted: restarted.size,
    convergedMs,
  };
}

/** Kills what is next in turn, and waits until it is back. */
class Killer {
  readonly #daemon: Daemon;
  readonly #random: Random;

  constructor(daemon: Daemon, random: Random) {
    this.#daemon = daemon;
    this.#random = random;
  }

  async next(n: number): Promise<string> {
    await sleep(this.#random.between(killGapMs.min, killGapMs.max));
    const began = performance.now();
    const what = n % 2 === 1 ? 'daemon' : 'nats-server';
    if (what === 'daemon') {
      await this.#daemon.kill();
      await this.#daemon.start();
    } else await this.#killServer();
    return `kill ${n}: ${what}, back after ${(performance.now() - began).toFixed(0)} ms`;
  }

  async #killServer(): Promise<void> {
    await until(() => this.#daemon.serverPid() > 0, recoverLimitMs, 'nats-server to run');
    const pid = this.#daemon.serverPid();
    process.kill(pid, 'SIGKILL');
    const isBack = (): boolean => ![0, pid].includes(this.#daemon.serverPid());
    await until(isBack, recoverLimitMs, 'nats-server to be back');
  }
}

interface Container {
  readonly Id: string;
  readonly State: { readonly StartedAt: string; readonly Running: boolean };
}

/** The service that nobody touches: its containers by id, with the time they started. */
async function startStill(engine: Engine, daemon: Daemon): Promise<ReadonlyMap<string, string>> {
  const created = await daemon.api('POST', '/v1.51/services/create', {
    Name: 'still',
    TaskTemplate: { ContainerSpec: { Image: SLEEP } },
    Mode: { Replicated: { Replicas: stillReplicas } },
  });
  if (created.status !== 201) throw new Error(created.text);
  await until(
    async () => (await runningTasks(daemon, 'still')) === stillReplicas,
    60_000,
    `${stillReplicas} tasks to run`,
  );
  return startedAt(engine);
}

async function startedAt(engine: Engine): Promise<ReadonlyMap<string, string>> {
  const filter = ['--filter', 'label=com.docker.swarm.service.name=still'];
  const ids = (await engine.mustDocker('ps', '-a', '-q', '--no-trunc', ...filter)).split('\n');
  const found = JSON.parse(await engine.mustDocker('inspect', ...ids)) as readonly Container[];
  return new Map(found.map(({ Id, State }) => [Id, State.Running ? State.StartedAt : 'ended']));
}

/** Containers that are gone, new, ended or started again. */
async function changed(
  engine: Engine,
  before: ReadonlyMap<string, string>,
): Promise<readonly string[]> {
  const now = await startedAt(engine);
  return [...new Set([...before.keys(), ...now.keys()])].filter(
    (id) => before.get(id) !== now.get(id),
  );
}

async function runningTasks(daemon: Daemon, service: string): Promise<number> {
  const filters = encodeURIComponent(JSON.stringify({ service: [service] }));
  const { status, body } = await daemon.api('GET', `/v1.51/tasks?filters=${filters}`);
  if (status !== 200) return -1;
  return (body as readonly { readonly Status: { readonly State: string } }[]).filter(
    (task) => task.Status.State === 'running',
  ).length;
}

/** Checks every service against what was acknowledged, and waits until all run as specified. */
async function converge(daemon: Daemon, users: Owners): Promise<number> {
  const began = performance.now();
  await users.verify();
  for (const [name, replicas] of [['still', stillReplicas] as const, ...users.replicas()])
    await until(
      async () => (await runningTasks(daemon, name)) === replicas,
      convergeLimitMs,
      `${replicas} tasks of ${name} to run`,
    );
  return Math.round(performance.now() - began);
}
