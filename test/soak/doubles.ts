import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../support/hosts.ts';

/**
 * A task's container runs on where its node cannot be reached, and another is started elsewhere: so must it be, and so
 * does Swarm. A node that is well itself cannot be reached when the manager that it is connected to is stopped. From when
 * there are two, and both hosts are well, one of them has so long to go, ms.
 */
const reasonMs = 20_000;
const lookEveryMs = 1_000;
const label = 'com.docker.swarm.task.name';

/** Looks at all engines: whether a slot of a service has two containers without a reason. */
export class Doubles {
  /** How often a slot came to have two. */
  found = 0;
  readonly #hosts: readonly Host[];
  readonly #service: string;
  /** From when on a host is well, on the clock; infinite while something happens to it. */
  readonly #wellFrom = new Map<Host, number>();
  /** Slots with two containers, since when, and whether that was told. */
  #doubled: ReadonlyMap<string, { readonly since: number; told: boolean }> = new Map();
  #stopped = false;

  readonly #report: (line: string) => void;

  constructor(hosts: readonly Host[], service: string, report: (line: string) => void) {
    this.#hosts = hosts;
    this.#service = service;
    this.#report = report;
  }

  /** Something begins at a host. */
  begins(host: Host): void {
    this.#wellFrom.set(host, Number.POSITIVE_INFINITY);
  }
  /** And ends. */
  ends(host: Host): void {
    this.#wellFrom.set(host, performance.now());
  }

  /** Looks again and again, until `stop`. */
  async watch(): Promise<void> {
    while (!this.#stopped) {
      await this.#look();
      await sleep(lookEveryMs);
    }
  }
  stop(): void {
    this.#stopped = true;
  }

  /** Whether just one container runs for each of the slots 1 … `slots`. */
  async isWhole(slots: number): Promise<boolean> {
    const found = [...(await this.#slots())];
    return found.length === slots && found.every(([, hosts]) => hosts.length === 1);
  }

  /** Says what the managers know of it. */
  async #found(slot: string, hosts: readonly Host[]): Promise<void> {
    this.found += 1;
    const where = hosts.map(({ name }) => name).join(' and ');
    const format = '{{.ID}} {{.Name}} {{.Node}}, {{.DesiredState}}: {{.CurrentState}} {{.Error}}';
    for (const host of this.#hosts.slice(0, 3)) {
      if (!host.powered) continue;
      const args = ['service', 'ps', '--no-trunc', `--format=${format}`, this.#service];
      const { stdout, stderr } = await host.docker(...args);
      const tasks = stdout.split('\n').filter((line) => line.includes(`.${slot} `));
      this.#report(`slot ${slot} runs on ${where}; ${host.name}: ${stderr}${tasks.join('; ')}`);
    }
  }

  async #look(): Promise<void> {
    const now = performance.now();
    const slots = [...(await this.#slots())].filter(([, hosts]) => hosts.length > 1);
    this.#doubled = new Map(
      slots.map(([slot]) => [slot, this.#doubled.get(slot) ?? { since: now, told: false }]),
    );
    for (const [slot, hosts] of slots) {
      const state = this.#doubled.get(slot);
      if (state === undefined || state.told) continue;
      const from = Math.max(state.since, ...hosts.map((host) => this.#wellFrom.get(host) ?? 0));
      if (now - from <= reasonMs) continue;
      state.told = true;
      await this.#found(slot, hosts);
    }
  }

  /** Where the containers of each slot run; of hosts that are well: an engine that stands still would not answer. */
  async #slots(): Promise<ReadonlyMap<string, readonly Host[]>> {
    const slots = new Map<string, Host[]>();
    await Promise.all(
      this.#hosts.map(async (host) => {
        if (!host.powered || this.#wellFrom.get(host) === Number.POSITIVE_INFINITY) return;
        const { code, stdout } = await host.engine.docker(
          'ps',
          `--filter=label=com.docker.swarm.service.name=${this.#service}`,
          `--format={{.Label "${label}"}}`,
        );
        if (code !== 0) return;
        for (const name of stdout.split('\n').filter((line) => line !== '')) {
          const slot = name.split('.')[1] ?? '';
          slots.set(slot, [...(slots.get(slot) ?? []), host]);
        }
      }),
    );
    return slots;
  }
}
