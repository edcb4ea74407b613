// Many hosts on one machine: namespaces, dockerds and natswarm daemons, joined by a network that can be cut, whose
// power can be cut. For tests, benchmarks and soaks. Needs root, `deploy/install` and, for the daemons,
// `npm run build`.

import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, imageArchive, type RunOptions } from './engine.ts';
import { cutPowerOf } from './hosts/disk.ts';
import { Fabric, type Shape } from './hosts/fabric.ts';
import { Host, type HostOptions } from './hosts/host.ts';
import { OWNER_FILE, sweep, thisOwner } from './hosts/processes.ts';

export { Host, type HostOptions, type Part } from './hosts/host.ts';

export interface HostsOptions extends HostOptions {
  /** Where the hosts keep what survives a power failure, each in a folder of its own; `down` removes that. */
  readonly stateRoot?: string;
  /** The first three numbers of the hosts' addresses. Each set of hosts has a fabric of its own, so that even the
   * same ones do not meet. */
  readonly subnet?: string;
}

export class Hosts {
  /** What all names of this set begin with. */
  readonly prefix: string;
  readonly dir: string;
  readonly all: readonly Host[];
  readonly #fabric: Fabric;
  readonly #folders: readonly string[];

  /** Use `startHosts`. */
  constructor(count: number, options: HostsOptions) {
    this.prefix = `natswarm-h-${randomBytes(4).toString('hex')}`;
    this.dir = join(tmpdir(), this.prefix);
    const subnet = options.subnet ?? `10.77.${randomInt(256)}`;
    const places = Array.from({ length: count }, (_, n) => {
      const dir = join(this.dir, `h${n + 1}`);
      const stateDir =
        options.stateRoot === undefined
          ? join(dir, 'state')
          : join(options.stateRoot, `${this.prefix}-h${n + 1}`);
      return { index: n + 1, prefix: this.prefix, dir, stateDir };
    });
    this.#folders = options.stateRoot === undefined ? [] : places.map(({ stateDir }) => stateDir);
    this.#fabric = new Fabric(this.prefix, subnet, [...this.#folders, this.dir]);
    this.all = places.map((place) => new Host(place, this.#fabric, options));
  }

  /** By number, from 1, as in their names. */
  host(index: number): Host {
    const host = this.all[index - 1];
    if (host === undefined) throw new Error(`there is no host h${index}`);
    return host;
  }

  /** Part of `startHosts`. */
  async up(): Promise<void> {
    await mkdir(this.dir);
    await writeFile(join(this.dir, OWNER_FILE), JSON.stringify(thisOwner(this.#folders)));
    await this.#fabric.up();
    await settled(this.all.map((host) => host.equip()));
    await settled(this.all.map((host) => host.boot()));
  }

  /** The daemons of all hosts; resolves when each answers. */
  async startDaemons(): Promise<void> {
    await Promise.all(this.all.map((host) => host.startDaemon()));
  }

  /** Ends and removes everything. Nothing of it is left: no process, namespace, mount, cgroup or file. */
  async down(): Promise<void> {
    const { NATSWARM_TEST_LOGS: keep } = process.env;
    if (keep !== undefined)
      for (const { name, daemon } of this.all)
        await writeFile(join(keep, `${name}.log`), daemon.log());
    try {
      await settled(this.all.map((host) => host.remove()));
    } finally {
      await this.#fabric.down();
    }
  }

  /** All hosts lose their power at one moment, and with it what was written to their disks and not synced. They need
   * `diskMiB`. */
  async cutPower(): Promise<void> {
    const hosts = this.all.map(({ disk, engine, name }) => {
      if (disk === undefined) throw new Error(`${name} has no disk of its own`);
      return { disk, init: engine.init };
    });
    await cutPowerOf(hosts);
    await settled(this.all.map((host) => host.powerOff()));
  }

  /** The test images, or another archive, on every host. */
  async loadImage(archive?: string): Promise<void> {
    const file = archive ?? (await imageArchive());
    await settled(this.all.map((host) => host.loadImage(file)));
  }

  /** Loses everything between the host and `peer`, or everybody, in both directions. */
  async cut(host: Host, peer?: Host): Promise<void> {
    await this.#fabric.cut(host.name, peer?.name);
  }
  /** Loses what the host sends, to `to` only or to everybody; it still hears the others. */
  async cutFrom(host: Host, to?: Host): Promise<void> {
    await this.#fabric.cutOneWay(host.name, to?.name);
  }
  /** Loses what is sent to the host, by `from` only or by everybody; the others still hear it. */
  async cutTo(host: Host, from?: Host): Promise<void> {
    await this.#fabric.cutOneWay(from?.name, host.name);
  }
  /** Takes back every cut that the host has part in; without one, all cuts. */
  async heal(host?: Host): Promise<void> {
    await this.#fabric.heal(host?.name);
  }

  /** Whether `slow` works here: it needs netem, which not every kernel is built with. */
  canSlow(): Promise<boolean> {
    return this.#fabric.canSlow();
  }
  /** Delays what the host sends and what it is sent by so much each; 0: no more. Rejects where there is no netem. */
  async slow(host: Host, delayMs: number): Promise<void> {
    if (delayMs > 0 && !(await this.canSlow()))
      throw new Error('this kernel has no netem and cannot delay frames; see throttle');
    await this.#shape(host, delayMs > 0 ? { delayMs } : undefined);
  }
  /** Lets so many kbit/s through in each direction, 0: all. Works on every kernel; what waits longer than 400 ms is
   * lost. Takes the place of `slow`, and the other way round. */
  async throttle(host: Host, kbit: number): Promise<void> {
    await this.#shape(host, kbit > 0 ? { kbit } : undefined);
  }

  /** Runs a program on the fabric that is on none of the hosts: a client from outside. */
  outside(argv: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return this.#fabric.exec(argv, options);
  }

  async #shape(host: Host, shape: Shape | undefined): Promise<void> {
    await this.#fabric.setShape(host.name, host.engine.netns, host.powered, shape);
  }
}

/**
 * Starts `count` hosts with their engines, natswarm not yet. Whoever starts them calls `down`; should the process die,
 * they end and everything is removed all the same.
 */
export async function startHosts(count: number, options: HostsOptions = {}): Promise<Hosts> {
  await sweep();
  const hosts = new Hosts(count, options);
  try {
    await hosts.up();
  } catch (error) {
    await hosts.down();
    throw error;
  }
  return hosts;
}

/** Like Promise.all, but nothing still runs when it rejects: what was begun can be removed. */
async function settled(works: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).filter(({ status }) => status === 'rejected');
  const [first] = failed as PromiseRejectedResult[];
  if (first !== undefined) throw first.reason;
}
