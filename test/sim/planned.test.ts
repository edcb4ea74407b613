// What a cluster does on purpose (servers that close connections for other certificates, managers that restart) is no
// failure to anybody: no node is down for it, and no task replaced.

import { describe, expect, test } from '@jest/globals';
import type { Seen } from './check/audit.ts';
import { Violation } from './check/violation.ts';
import { drawOptions } from './options.ts';
import { boot } from './world/boot.ts';
import { Cluster } from './world/cluster.ts';
import type { SimHost } from './world/daemon.ts';
import { Random } from './world/random.ts';

const steady = { ContainerSpec: { Image: 'steady:1' } };
const services = [
  { Name: 'all', TaskTemplate: steady, Mode: { Global: {} } },
  { Name: 'some', TaskTemplate: steady, Mode: { Replicated: { Replicas: 6 } } },
];

/** From now on nothing may happen to nodes and tasks. */
function checkCalm({ seq, applied }: Seen): void {
  for (const change of applied) {
    const { kind, before, after } = change;
    if (kind === 'node' && before !== undefined && after?.status.state === 'down')
      throw new Violation('calm', `record ${seq}: node ${change.id} is down`);
    if (kind === 'task' && (before === undefined || after?.desired !== before.desired))
      throw new Violation('calm', `record ${seq}: task ${change.id} is made or replaced`);
  }
}

class Calm {
  readonly cluster: Cluster;
  readonly random: Random;
  #isCalm = false;

  constructor(seed: number, managers: number, latencyMs: readonly [number, number]) {
    const nodes = managers + 2;
    const options = { ...drawOptions(seed), nodes, managers, busLatencyMs: latencyMs };
    this.cluster = new Cluster(
      { ...options, heartbeatPeriodMs: 5_000, clockSkewMs: 0, engineCallMs: 20 },
      { checks: [(seen) => (this.#isCalm ? checkCalm(seen) : undefined)] },
    );
    this.random = new Random(seed, 'planned');
  }

  async start(): Promise<void> {
    const { cluster } = this;
    await boot(cluster);
    await cluster.run(10_000);
    for (const spec of services) void cluster.command('service.create', { spec });
    const wanted = cluster.hosts.length + 6;
    const running = (): number =>
      [...cluster.audit.store.list('task')].filter(({ status }) => status.state === 'running')
        .length;
    await cluster.run(60_000, () => running() === wanted);
    expect(running()).toBe(wanted);
    this.#isCalm = true;
  }

  /** A leader, and every node in session with it: what was planned has been got over. */
  async isWell(): Promise<void> {
    const { cluster } = this;
    const well = (): boolean =>
      cluster.leader !== undefined &&
      cluster.hosts.every(
        ({ id, isUp }) => isUp && cluster.audit.store.node(id)?.status.state === 'ready',
      );
    await cluster.run(20_000, well);
    await cluster.run(20_000);
    expect(well()).toBe(true);
  }

  async wait(ms: number): Promise<void> {
    await this.cluster.run(ms * this.random.between(0.5, 1.5));
  }
}

async function restart(calm: Calm, host: SimHost | undefined): Promise<void> {
  host?.stop();
  await calm.wait(500);
  host?.kill();
  host?.start();
}

describe.each([1, 3, 5])('%i managers', (managers) => {
  const world = async (seed: number): Promise<Calm> => {
    const calm = new Calm(seed, managers, [1, seed % 2 === 0 ? 5 : 40]);
    await calm.start();
    return calm;
  };

  test.each([1, 2, 3])('every server is reloaded again and again, seed %i', async (seed) => {
    const calm = await world(seed);
    for (let round = 0; round < 30; round++) {
      for (const host of calm.cluster.managers) if (calm.random.chance(0.7)) host.reloadServer();
      await calm.wait(calm.random.pick([20, 200, 1_000]));
    }
    await calm.isWell();
  });

  test.each([1, 2, 3, 4, 5])(
    'nodes take long to come back, for they are many, seed %i',
    async (seed) => {
      const calm = await world(seed);
      for (const host of calm.cluster.managers) {
        host.reloadServer([4_000, 5_000]);
        // a node has 6 s from one reload on, and is heard before the next
        await calm.wait(12_000);
      }
      await calm.isWell();
    },
  );

  test.each([1, 2])(
    'managers restart in good order, one after the other, seed %i',
    async (seed) => {
      const calm = await world(seed);
      for (let round = 0; round < 6; round++) {
        await restart(calm, calm.cluster.managers[round % managers]);
        await calm.wait(4_000);
      }
      await calm.isWell();
    },
  );

  test.each([1, 2])(
    'whoever leads restarts, six times, servers reload meanwhile, seed %i',
    async (seed) => {
      const calm = await world(seed);
      for (let round = 0; round < 6; round++) {
        const restarted = restart(calm, calm.cluster.leader);
        for (const host of calm.cluster.managers) host.reloadServer();
        await restarted;
        await calm.wait(4_000);
      }
      await calm.isWell();
    },
  );
});
