import type { Daemon } from '../support/daemon.ts';
import type { Engine } from '../support/engine.ts';

/** The service whose containers must run on. */
export const watched = 'watched';
const lists = [
  'info',
  'node ls',
  'service ls',
  `service ps ${watched}`,
  'node inspect --pretty self',
];

interface ListedNode {
  readonly ID: string;
  readonly Status: { readonly State: string };
}

/** What anybody sees of a cluster that has an intruder, through any manager, with the docker CLI too. */
export class Watch {
  /** What must hold and did not, in words. */
  readonly broken = new Set<string>();
  readonly #managers: readonly Daemon[];
  readonly #engines: readonly Engine[];
  readonly #intruder: string;
  #containers: string | undefined;
  #next = 0;

  constructor(managers: readonly Daemon[], engines: readonly Engine[], intruder: string) {
    this.#managers = managers;
    this.#engines = engines;
    this.#intruder = intruder;
  }

  expect(holds: boolean, otherwise: string): void {
    if (!holds) this.broken.add(otherwise);
  }

  /** Asks another manager each time. */
  async look(): Promise<void> {
    const manager = this.#managers[this.#next++ % this.#managers.length] as Daemon;
    const shown = await Promise.all(lists.map((line) => manager.docker(...line.split(' '))));
    shown.forEach(({ code, stderr }, i) =>
      this.expect(code === 0, `docker ${lists[i]} failed: ${stderr.trim().slice(0, 200)}`),
    );
    for (const { ID, Status } of await this.#nodes(manager))
      this.expect(
        ID === this.#intruder || Status.State === 'ready',
        `another node is shown as ${Status.State}`,
      );
    const containers = await this.#running();
    this.#containers ??= containers;
    this.expect(containers === this.#containers, "another service's container was replaced");
  }

  /** The intruder can be removed like any node. */
  async removeIntruder(): Promise<void> {
    const [manager] = this.#managers as [Daemon];
    const { code, stderr } = await manager.docker('node', 'rm', '--force', this.#intruder);
    this.expect(code === 0, `the intruder cannot be removed: ${stderr.trim().slice(0, 200)}`);
  }

  async #nodes(manager: Daemon): Promise<readonly ListedNode[]> {
    const { status, body } = await manager.api('GET', '/v1.51/nodes');
    this.expect(status === 200, `GET /nodes answered ${status}`);
    return status === 200 ? (body as readonly ListedNode[]) : [];
  }

  /** The IDs of the watched service's containers, sorted. */
  async #running(): Promise<string> {
    const filter = ['--filter', `label=com.docker.swarm.service.name=${watched}`];
    const ids = await Promise.all(
      this.#engines.map((engine) => engine.mustDocker('ps', '--quiet', '--no-trunc', ...filter)),
    );
    return ids
      .flatMap((some) => some.split('\n'))
      .filter((id) => id !== '')
      .toSorted()
      .join();
  }
}
