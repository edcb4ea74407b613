// One host of a test: a machine of its own as far as the kernel goes (network, files, names, processes), with a dockerd
// and, when asked for, the built natswarm daemon. What has to outlive its power is in folders of this machine.

import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Daemon } from '../daemon.ts';
import {
  type CommandResult,
  Engine,
  imageArchive,
  netnsExec,
  run,
  type RunOptions,
  signal,
  until,
} from '../engine.ts';
import type { Fabric } from './fabric.ts';
import { Disk } from './disk.ts';
import { freeze, hasEnded, processesOf, thaw, waiterOf } from './processes.ts';

export interface HostOptions {
  /** More dockerd flags, `--live-restore` for example. */
  readonly engineArgs?: readonly string[];
  /** More flags of the natswarm daemon. */
  readonly daemonArgs?: readonly string[];
  readonly daemonEnv?: Readonly<Record<string, string>>;
  /** natswarm's state directory is a file system of its own of this size; see `Hosts.cutPower`. */
  readonly diskMiB?: number;
}

/** A process that can be stopped and resumed: the natswarm daemon, its nats-server, dockerd. */
export type Part = 'daemon' | 'server' | 'engine';

interface Place {
  readonly index: number;
  readonly prefix: string;
  readonly dir: string;
  readonly stateDir: string;
}

export class Host {
  /** `h1`, `h2` …; also what it calls itself. */
  readonly name: string;
  readonly ip: string;
  readonly dir: string;
  /** What survives a power failure: `engine` and `natswarm`. */
  readonly stateDir: string;
  readonly engine: Engine;
  /** Logs, API requests and the socket of natswarm; start and end it with the host's own verbs. */
  readonly daemon: Daemon;
  /** Of the state directory; undefined where that is a folder like any other. */
  readonly disk: Disk | undefined;
  readonly #fabric: Fabric;
  /** What is stopped, and the nsenter that waits for it. */
  readonly #frozen = new Map<number, number>();

  /** Use `startHosts`. */
  constructor(place: Place, fabric: Fabric, options: HostOptions) {
    this.name = `h${place.index}`;
    this.ip = fabric.address(place.index);
    this.dir = place.dir;
    this.stateDir = place.stateDir;
    this.#fabric = fabric;
    const state = join(this.stateDir, 'natswarm');
    this.disk =
      options.diskMiB === undefined
        ? undefined
        : new Disk(join(this.stateDir, 'disk.img'), state, options.diskMiB);
    this.engine = new Engine(`${place.prefix}-${this.name}`, this.dir, {
      dataRoot: join(this.stateDir, 'engine'),
      hostname: this.name,
      // containers of two hosts never have the same address: a mix-up shows
      extraArgs: [`--bip=172.31.${place.index}.1/24`, ...(options.engineArgs ?? [])],
    });
    this.daemon = new Daemon(join(this.dir, 'natswarm'), this.engine, {
      enter: () => this.engine.enter,
      stateDir: state,
      runDir: '/run/natswarm',
      advertiseAddr: this.ip,
      ...(options.daemonArgs && { args: options.daemonArgs }),
      ...(options.daemonEnv && { env: options.daemonEnv }),
    });
  }

  get powered(): boolean {
    return this.engine.init > 0;
  }

  /** Power on: namespaces, network, dockerd with the data of before. The natswarm daemon is for the caller to start. */
  async boot(): Promise<void> {
    if (this.powered) throw new Error(`${this.name} is on`);
    await mkdir(join(this.dir, 'cli'), { recursive: true });
    await mkdir(this.stateDir, { recursive: true });
    await writeFile(join(this.dir, 'daemon.json'), '{}\n');
    await this.engine.boot();
    await this.disk?.mount(this.engine.enter);
    await this.#fabric.plug(this.name, this.engine.netns, this.ip);
    await this.engine.start();
  }

  /** Before the first power on. */
  async equip(): Promise<void> {
    await mkdir(this.stateDir, { recursive: true });
    await this.disk?.make();
  }

  /** Power failure: every process of the host is dead when this resolves; `stateDir` is as it was. */
  async powerOff(): Promise<void> {
    const off = this.engine.powerOff();
    await this.#noticeEnds([...this.#frozen.keys()]);
    await off;
    await this.daemon.exited(60_000);
  }

  /** For good: with its processes, namespaces and its folder. `startHosts` removes the rest. */
  async remove(): Promise<void> {
    const off = this.engine.stop();
    await this.#noticeEnds([...this.#frozen.keys()]);
    await off;
    await this.daemon.stop();
  }

  /** Starts natswarm and waits until its API answers. */
  async startDaemon(timeoutMs = 60_000): Promise<void> {
    await this.daemon.start(timeoutMs);
  }
  /** SIGTERM, as a service manager ends it. */
  async stopDaemon(): Promise<void> {
    await this.#endDaemon('SIGTERM');
  }
  /** kill -9. */
  async killDaemon(): Promise<void> {
    await this.#endDaemon('SIGKILL');
  }
  /** kill -9 of nats-server; the daemon is to start another. */
  async killServer(): Promise<void> {
    const pid = this.#mustRun('server');
    signal(pid, 'SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`), 10_000, 'nats-server to end');
  }

  /** SIGSTOP: it is there and does nothing; connections to it stay open. */
  async pause(part: Part): Promise<void> {
    const pid = this.#mustRun(part);
    this.#frozen.set(pid, waiterOf(pid));
    await freeze(pid);
  }
  resume(part: Part): void {
    const pid = this.#mustRun(part);
    thaw(pid);
    this.#frozen.delete(pid);
  }

  /** Its process ID as this machine sees it; 0 while it does not run. */
  pid(part: Part): number {
    switch (part) {
      case 'daemon':
        return this.daemon.pid;
      case 'server':
        return this.daemon.serverPid();
      case 'engine':
        return this.engine.pid;
    }
  }

  /** All processes of the host, those of its containers included. */
  processes(): readonly number[] {
    return processesOf(this.engine.init, this.engine.netns);
  }

  /** The docker CLI against natswarm. */
  docker(...args: string[]): Promise<CommandResult> {
    return this.daemon.docker(...args);
  }
  /** Like `docker`, for a command that has to work: gives its output, trimmed. */
  mustDocker(...args: string[]): Promise<string> {
    return this.daemon.mustDocker(...args);
  }

  /** Runs a program inside the host, with its processes and mounts. */
  exec(argv: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return run([...this.engine.enter, ...argv], options);
  }
  /** Runs a program in the host's network only, with this machine's files and processes. */
  net(argv: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return netnsExec(this.engine, argv, options);
  }

  /** An archive of `docker save`; default: the test images. They get the same IDs on every host. */
  async loadImage(archive?: string): Promise<void> {
    await this.engine.mustDocker('load', '--quiet', '--input', archive ?? (await imageArchive()));
  }

  async #endDaemon(name: NodeJS.Signals): Promise<void> {
    const pid = this.#mustRun('daemon');
    const server = this.pid('server');
    const ends = this.daemon.signal(name);
    // systemd does so, too: a stopped process would not see its SIGTERM
    if (name === 'SIGTERM') this.resume('daemon');
    await this.#noticeEnds([pid]);
    await ends;
    // it ends by itself when its daemon has
    if (server > 0) await until(() => !existsSync(`/proc/${server}`), 30_000, 'nats-server to end');
  }

  /** A stopped nsenter does not notice that what it waits for has died; nor would anybody else. */
  async #noticeEnds(pids: readonly number[]): Promise<void> {
    for (const pid of pids) {
      const waiter = this.#frozen.get(pid) ?? 0;
      this.#frozen.delete(pid);
      if (waiter === 0) continue;
      await until(() => hasEnded(pid), 60_000, `process ${pid} to end`);
      signal(waiter, 'SIGCONT');
    }
  }

  #mustRun(part: Part): number {
    const pid = this.pid(part);
    if (pid === 0) throw new Error(`the ${part} of ${this.name} does not run`);
    return pid;
  }
}
