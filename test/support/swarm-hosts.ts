// A swarm on test hosts, as its clients see it.

import { noLeaderText } from '../../domain/errors.ts';
import type { Daemon } from './daemon.ts';
import type { CommandResult } from './engine.ts';
import { until } from './engine.ts';
import type { Host } from './hosts.ts';

export type Role = 'manager' | 'worker';
/** How long a cluster may take for what it is about, ms: generous, for the machine may be busy. */
const patienceMs = 60_000;

/** By hostname: `Leader`, `Reachable`, `Unreachable`, or '' for a worker. */
export async function managersSeenBy(host: Host): Promise<Readonly<Record<string, string>>> {
  const out = await host.mustDocker('node', 'ls', '--format', '{{.Hostname}}={{.ManagerStatus}}');
  return Object.fromEntries(out.split('\n').map((line) => line.split('=') as [string, string]));
}

/**
 * Waits until each of `hosts` shows just these managers, all of them well, and one that leads, and the log has a copy on
 * each that is up to date; gives the leader's host.
 */
export async function untilManagers(
  hosts: readonly Host[],
  on: readonly Host[] = hosts,
): Promise<Host> {
  const wanted = hosts.map(({ name }) => name).toSorted();
  let leader = '';
  const isSo = async (host: Host): Promise<boolean> => {
    const seen = Object.entries(await managersSeenBy(host)).filter(([, status]) => status !== '');
    leader = seen.find(([, status]) => status === 'Leader')?.[0] ?? '';
    const well = seen.filter(([, status]) => status !== 'Unreachable').map(([name]) => name);
    return (
      leader !== '' && String(well.toSorted()) === String(wanted) && seen.length === well.length
    );
  };
  for (const host of on) {
    const tried = (): Promise<boolean> => isSo(host).catch(() => false);
    await until(tried, patienceMs, `managers ${String(wanted)}, as ${host.name} sees them`);
  }
  if (hosts.length > 1)
    await until(() => hasCopies(hosts), patienceMs, 'the log to be on all of them');
  const found = hosts.find(({ name }) => name === leader);
  if (found === undefined) throw new Error('no leader');
  return found;
}

async function hasCopies(hosts: readonly Host[]): Promise<boolean> {
  const [{ daemon }] = hosts as readonly [Host, ...Host[]];
  const { Copies, Unsettled } = await logOf(daemon);
  return Copies === hosts.length && Unsettled === undefined;
}

/** The log as `GET /natswarm/log` tells of it; nothing but `Form` while it is one manager's. */
export async function logOf(daemon: Daemon): Promise<LogView> {
  return (await daemon.api('GET', '/natswarm/log')).body as LogView;
}
interface LogView {
  readonly Form?: string;
  readonly FeatureLevel?: number;
  readonly Leader?: string;
  readonly Copies?: number;
  readonly Unsettled?: string;
}

/** As `docker swarm join`, with the token that `through` tells. */
export async function join(host: Host, through: Host, role: Role): Promise<void> {
  const token = await through.mustDocker('swarm', 'join-token', '--quiet', role);
  await host.mustDocker('swarm', 'join', '--token', token, `${through.ip}:2377`);
}

/** The first host begins a swarm, the others join it one by one as managers. */
export async function swarmOfManagers(hosts: readonly Host[], ...args: string[]): Promise<void> {
  const [first, ...others] = hosts as readonly [Host, ...Host[]];
  await first.mustDocker('swarm', 'init', '--advertise-addr', first.ip, ...args);
  for (const host of others) await join(host, first, 'manager');
  await untilManagers(hosts);
}

/** The node ID of a host, or of a daemon. */
export const nodeIdOf = (node: Pick<Daemon, 'mustDocker'>): Promise<string> =>
  node.mustDocker('info', '--format={{.Swarm.NodeID}}');

/** The node ID of the manager whose server leads the log; '' for none. */
export async function logLeaderOf(host: Host): Promise<string> {
  return (await logOf(host.daemon)).Leader ?? '';
}
/** Asks for the log to be led by that node's server. The swarm's leader moves it away again when it is its own. */
export async function leadLogFrom(host: Host, nodeId: string): Promise<void> {
  await host.daemon.api('POST', `/natswarm/log/leader/${nodeId}`);
}

/** Makes an empty service of this name. Rejects with what the API says when that is not acknowledged. */
export async function write(through: Host, name: string): Promise<void> {
  const body = {
    Name: name,
    TaskTemplate: { ContainerSpec: { Image: 'natswarm-none:1' } },
    Mode: { Replicated: { Replicas: 0 } },
  };
  const { status, text } = await through.daemon.api('POST', '/v1.51/services/create', body);
  if (status !== 201) throw new Error(`${status} ${text.trim()}`);
}

/** The names of all services, as a host tells them. */
export async function serviceNames(host: Host): Promise<readonly string[]> {
  const { body } = await host.daemon.api('GET', '/v1.51/services');
  return (body as readonly { Spec: { Name: string } }[]).map(({ Spec }) => Spec.Name).toSorted();
}

/** A manager looks for a leader for 5 s before it refuses a request; what it refuses has done nothing. */
const isRefusedAfterWait = (error: unknown, waitedMs: number): boolean =>
  waitedMs >= 4_900 && String(error).includes(noLeaderText);

/**
 * Writes one service after the other through changing hosts, and remembers what was acknowledged. What was refused for want of
 * a leader is written again: how long an election takes is the machine's affair, that a manager waits for it is not. To be
 * stopped.
 */
export class Load {
  readonly acked: string[] = [];
  /** What clients saw that was no acknowledgement. */
  readonly failures: string[] = [];
  /** The longest that one call took, ms. */
  slowestMs = 0;
  static #count = 0;
  /** No two loads write the same names. */
  readonly #prefix = `load-${Load.#count++}-`;
  readonly #through: () => readonly Host[];
  readonly #running: Promise<void>;
  #stopped = false;

  constructor(through: () => readonly Host[]) {
    this.#through = through;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const name = `${this.#prefix}${n}`;
      const began = performance.now();
      while (!(await this.#write(name, n)) && !this.#stopped);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - began);
    }
  }

  /** False when it is to be written again. */
  async #write(name: string, n: number): Promise<boolean> {
    const hosts = this.#through();
    const host = hosts[n % hosts.length];
    if (host === undefined) throw new Error('there is nobody to write through');
    const began = performance.now();
    try {
      await write(host, name);
      this.acked.push(name);
    } catch (error) {
      if (isRefusedAfterWait(error, performance.now() - began)) return false;
      this.failures.push(`${name} through ${host.name}: ${String(error)}`);
    }
    return true;
  }
}

/** What a command printed, in one line for comparisons. */
export const said = ({ stdout, stderr }: CommandResult): string => `${stdout}${stderr}`.trim();

/** It says itself that it is no manager. */
export const isWorker = async (host: Host): Promise<boolean> =>
  said(await host.docker('node', 'ls')).includes('This node is not a swarm manager');

/** The CLI has no flag for labels of the cluster. */
export async function labelCluster(
  daemon: Daemon,
  Labels: Readonly<Record<string, string>>,
): Promise<void> {
  const { body } = await daemon.api('GET', '/swarm');
  const { Spec, Version } = body as {
    readonly Spec: object;
    readonly Version: { readonly Index: number };
  };
  const path = `/swarm/update?version=${Version.Index}`;
  const { status, text } = await daemon.api('POST', path, { ...Spec, Labels });
  if (status !== 200) throw new Error(`swarm update: ${status} ${text}`);
}
