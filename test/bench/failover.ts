import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Host, type Hosts, startHosts } from '../support/hosts.ts';
import {
  leadLogFrom,
  logLeaderOf,
  nodeIdOf,
  swarmOfManagers,
  untilManagers,
  write,
} from '../support/swarm-hosts.ts';
import { median } from './statistics.ts';

const rounds = 5;
const arrangeLimitMs = 60_000;

/** What is lost, and how. */
interface Case {
  readonly name: string;
  /** Whether the swarm's leader leads the log too. */
  readonly together: boolean;
  readonly victim: (leaders: Leaders) => Host;
  readonly fail: (victim: Host) => Promise<void>;
}
interface Leaders {
  readonly swarm: Host;
  readonly log: Host;
}

const powerOff = (victim: Host): Promise<void> => victim.powerOff();
const cases: readonly Case[] = [
  { name: 'leaderKilled', together: false, victim: ({ swarm }) => swarm, fail: powerOff },
  { name: 'logLeaderKilled', together: false, victim: ({ log }) => log, fail: powerOff },
  { name: 'bothKilled', together: true, victim: ({ log }) => log, fail: powerOff },
  {
    name: 'leaderStopped',
    together: false,
    victim: ({ swarm }) => swarm,
    fail: (victim) => victim.stopDaemon(),
  },
];

/**
 * Three managers on hosts of their own. How long after a loss the next write is acknowledged through another manager,
 * ms: of the host with the swarm's leader, of the host with the log's leader, of a host with both (power cut each), and
 * of the leader by SIGTERM. Medians of five, and the longest.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const hosts = await startHosts(3);
  try {
    await hosts.startDaemons();
    await swarmOfManagers(hosts.all);
    const figures: Record<string, number> = {};
    for (const each of cases) {
      const times: number[] = [];
      for (let round = 1; round <= rounds; round++) {
        const ms = await measure(hosts, each, `${each.name}-${round}`);
        progress(`${each.name} ${round}/${rounds}: ${ms.toFixed(0)} ms`);
        times.push(ms);
      }
      figures[`${each.name}Ms`] = Math.round(median(times));
      figures[`${each.name}MsMax`] = Math.round(Math.max(...times));
    }
    return figures;
  } finally {
    await hosts.down();
  }
}

async function measure(
  hosts: Hosts,
  { together, victim, fail }: Case,
  name: string,
): Promise<number> {
  const leaders = await arrange(hosts, together);
  const lost = victim(leaders);
  const others = hosts.all.filter((host) => host !== lost);
  const pid = lost.pid('daemon');
  const began = performance.now();
  const failing = fail(lost);
  const ms = (await firstWrite(others, name, () => !existsSync(`/proc/${pid}`))) - began;
  await failing;
  if (!lost.powered) await lost.boot();
  await lost.startDaemon();
  return ms;
}

/** The swarm's leader on one host, the log's on the same or another. */
async function arrange(hosts: Hosts, together: boolean): Promise<Leaders> {
  const swarm = await untilManagers(hosts.all);
  const ids = new Map<string, Host>();
  for (const host of hosts.all) ids.set(await nodeIdOf(host), host);
  for (const end = performance.now() + arrangeLimitMs; performance.now() < end; ) {
    const log = ids.get(await logLeaderOf(swarm));
    if (log !== undefined && (log === swarm) === together) return { swarm, log };
    if (together) await leadLogFrom(swarm, await nodeIdOf(swarm));
    await sleep(50);
  }
  throw new Error(`the leaders do not come to be ${together ? 'one host' : 'two hosts'}`);
}

/**
 * When a write was acknowledged that was begun after `isLost`, on the clock. Each host has one on its way; one that failed
 * is followed by the next.
 */
function firstWrite(
  through: readonly Host[],
  name: string,
  isLost: () => boolean,
): Promise<number> {
  let n = 0;
  let at = Number.NaN;
  const writeOn = async (host: Host): Promise<number> => {
    while (Number.isNaN(at)) {
      const counts = isLost();
      n += 1;
      const acked = await write(host, `${name}-${n}`).then(
        () => true,
        () => false,
      );
      if (acked && counts) at = performance.now();
    }
    return at;
  };
  return Promise.race(through.map(writeOn));
}
