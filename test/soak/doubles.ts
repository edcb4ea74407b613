import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../support/hosts.ts';

/**
 * A task's container runs on where its node cannot be reached, and another is started elsewhere: so must it be, and so
 * does Swarm. From when both hosts are well again, one of the two has so long to go, ms.
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
  #doubled: ReadonlySet<string> = new Set();
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
      const doubled = await this.#look();
      for (const [slot, hosts] of doubled)
        if (!this.#doubled.has(slot)) await this.#found(slot, hosts);
      this.#doubled = new Set(doubled.keys());
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

  async #look(): Promise<ReadonlyMap<string, readonly Host[]>> {
    const now = performance.now();
    const isWell = (host: Host): boolean => now - (this.#wellFrom.get(host) ?? 0) > reasonMs;
    return new Map(
      [...(await this.#slots())].filter(([, hosts]) => hosts.length > 1 && hosts.every(isWell)),
    );
  }

  /** Where the containers of each slot run; of hosts whose engine answers. */
  async #slots(): Promise<ReadonlyMap<string, readonly Host[]>> {
    const slots = new Map<string, Host[]>();
    await Promise.all(
      this.#hosts.map(async (host) => {
        if (!host.powered) return;
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
