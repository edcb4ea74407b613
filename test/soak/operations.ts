import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../sim/world/random.ts';
import type { Host } from '../support/hosts.ts';

const gapMs = { min: 500, max: 6_000 } as const;
const timesInARow = 10;
const callLimitMs = 60_000;
const tries = 30;

/** What a person does to the cluster meanwhile: once, ten times in a row, or two things at the same time. */
export class Operations {
  /** Of commands: what the CLI says of them. */
  done = 0;
  failed = 0;
  readonly #managers: readonly Host[];
  readonly #workers: readonly Host[];
  readonly #random: Random;
  readonly #report: (line: string) => void;
  /** Every unlock key that was ever told, the newest last. */
  readonly #keys = new Set<string>();
  #stopped = false;
  #rotating: Promise<void> = Promise.resolve();
  #running: Promise<void> | undefined;
  readonly #operations: Readonly<Record<string, () => Promise<unknown>>> = {
    'root rotation': () => this.#cli('swarm', 'ca', '--rotate', '--detach', '--quiet'),
    'token rotation': () => this.#cli('swarm', 'join-token', '--rotate', '--quiet', 'worker'),
    'unlock key rotation': () => this.#rotateKey(),
    'service update': () => this.#cli('service', 'update', '--detach', '--force', 'tasks'),
    promotion: () => this.#cli('node', 'promote', this.#random.pick(this.#workers).name),
    demotion: () => this.#cli('node', 'demote', this.#random.pick(this.#workers).name),
  };

  constructor(
    managers: readonly Host[],
    workers: readonly Host[],
    random: Random,
    report: (line: string) => void,
  ) {
    this.#managers = managers;
    this.#workers = workers;
    this.#random = random;
    this.#report = report;
  }

  run(): void {
    this.#running = this.#loop();
  }

  /** Resolves when the last one has ended and the workers are workers again. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    for (const manager of this.#managers) await this.unlock(manager);
    await this.#insist('swarm', 'update', '--autolock=false');
    for (const { name } of this.#workers) await this.#insist('node', 'demote', name);
  }

  /**
   * A manager that starts while managers lock themselves waits for a key. Where the answer that told the newest one got lost,
   * another manager tells it: nobody stops a second manager before the first one is unlocked.
   */
  async unlock(host: Host): Promise<void> {
    for (let i = 0; i < tries; i++) {
      for (const key of [...this.#keys].reverse()) {
        if (!(await this.#isLocked(host))) return;
        const options = { input: `${key}\n`, timeoutMs: callLimitMs };
        await host.daemon.dockerWith(options, 'swarm', 'unlock');
      }
      if (!(await this.#isLocked(host))) return;
      await this.#askForKey();
      await sleep(1_000);
    }
  }

  async #isLocked(host: Host): Promise<boolean> {
    const { stdout } = await host.docker('info', '--format={{.Swarm.LocalNodeState}}');
    return stdout.trim() === 'locked';
  }

  /** False when no manager answers. */
  async #askForKey(): Promise<boolean> {
    const key = await this.#cli('swarm', 'unlock-key', '--quiet');
    if (key?.startsWith('SWMKEY-') === true) this.#keys.add(key);
    return key !== undefined;
  }

  async #loop(): Promise<void> {
    while (!this.#stopped) {
      await sleep(this.#random.between(gapMs.min, gapMs.max));
      const names = Object.keys(this.#operations);
      const name = this.#random.pick(names);
      const shape = this.#random.weighted({ once: 6, 'ten times': 1, 'two at once': 3 });
      const other = shape === 'two at once' ? this.#random.pick(names) : undefined;
      for (let i = 0; i < (shape === 'ten times' ? timesInARow : 1); i++)
        await Promise.all([
          this.#operations[name]?.(),
          other === undefined ? undefined : this.#operations[other]?.(),
        ]);
      this.#report(`operation: ${name}${other === undefined ? '' : ` and ${other}`}, ${shape}`);
    }
  }

  /** What it prints; undefined when it fails. */
  async #cli(...args: string[]): Promise<string | undefined> {
    const host = this.#random.pick(this.#managers);
    const { code, stdout } = await host.daemon.dockerWith({ timeoutMs: callLimitMs }, ...args);
    if (code === 0) this.done += 1;
    else this.failed += 1;
    return code === 0 ? stdout.trim() : undefined;
  }

  async #insist(...args: string[]): Promise<void> {
    for (let i = 0; i < tries && (await this.#cli(...args)) === undefined; i++) await sleep(1_000);
  }

  /** One at a time: a key that another one replaces before anybody was told of it opens no manager that stopped with it. */
  #rotateKey(): Promise<void> {
    this.#rotating = this.#rotating.then(() => this.#rotateKeyNow());
    return this.#rotating;
  }

  /** Managers lock themselves, and stop it: between the two each new key is kept for those that start. */
  async #rotateKeyNow(): Promise<void> {
    await this.#cli('swarm', 'update', '--autolock=true');
    await this.#learnKey();
    await this.#cli('swarm', 'unlock-key', '--quiet', '--rotate');
    await this.#learnKey();
    await this.#cli('swarm', 'update', '--autolock=false');
  }

  /** Asks until a manager tells the present key, or that there is none. */
  async #learnKey(): Promise<void> {
    for (let i = 0; i < tries; i++) {
      if (await this.#askForKey()) return;
      await sleep(1_000);
    }
  }
}
