import { setTimeout as sleep } from 'node:timers/promises';
import process from 'node:process';
import { Random } from '../sim/world/random.ts';
import { Owners, Rounds } from '../soak/owner.ts';
import { until } from '../support/engine.ts';
import { type Hosts, startHosts } from '../support/hosts.ts';
import { swarmOfManagers, untilManagers } from '../support/swarm-hosts.ts';

const managers = 3;
const cuts = 5;
const ackedMin = 10_000;
const owners = 32;
const diskMiB = 1_024;
const limitMs = 600_000;
/** Long enough after the last step for the file systems to have something that is not on the disk yet. */
const lingerMs = { min: 0, max: 1_500 } as const;

/**
 * Three managers, each with its whole state directory on a file system of its own. All of them lose their power at one
 * moment, and with it whatever was not synced, again and again under a stream of commands: everything acknowledged has to
 * be there afterwards. One run; the seed is drawn, or that of the variable POWERCUT_SEED.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const seed = Number(process.env['POWERCUT_SEED'] ?? Date.now() % 2 ** 31);
  progress(`seed ${seed}`);
  const random = new Random(seed, 'powercut');
  const hosts = await startHosts(managers, { diskMiB });
  const habits = { removes: 0.1, scales: 0 };
  const users = new Owners(owners, (i) => new Rounds(hosts.all, i), seed, habits);
  try {
    await hosts.startDaemons();
    await swarmOfManagers(hosts.all);
    users.run();
    const backMs: number[] = [];
    let unsynced = 0;
    try {
      for (let cut = 1; cut <= cuts; cut++) {
        await until(() => users.tally().acked >= (ackedMin * cut) / cuts, limitMs, 'commands');
        await sleep(random.between(lingerMs.min, lingerMs.max));
        unsynced += await cutAll(hosts);
        const before = users.tally().acked;
        const began = performance.now();
        await hosts.startDaemons();
        await until(() => users.tally().acked > before, limitMs, 'a command');
        backMs.push(Math.round(performance.now() - began));
        progress(`cut ${cut}/${cuts}: ${before} acknowledged; back after ${backMs.at(-1)} ms`);
      }
    } finally {
      await users.stop();
    }
    await untilManagers(hosts.all);
    await users.verify();
    const { acked, unknown, lost } = users.tally();
    return { seed, cuts, acked, unknown, lost, backMsMax: Math.max(...backMs), unsynced };
  } finally {
    await hosts.down();
  }
}

/** Cuts the power and gives it back. The number of files lost that were written just before and not synced. */
async function cutAll(hosts: Hosts): Promise<number> {
  for (const host of hosts.all)
    await host.exec(['sh', '-c', `head -c 65536 /dev/zero >${probeOf(host)}`]);
  await hosts.cutPower();
  await Promise.all(hosts.all.map((host) => host.boot()));
  const sizes = await Promise.all(
    hosts.all.map(async (host) => {
      const { stdout } = await host.exec([
        'sh',
        '-c',
        `wc -c <${probeOf(host)}; rm -f ${probeOf(host)}`,
      ]);
      return Number(stdout.trim() || 0);
    }),
  );
  return sizes.filter((size) => size === 0).length;
}

const probeOf = ({ stateDir }: { readonly stateDir: string }): string =>
  `${stateDir}/natswarm/unsynced`;
