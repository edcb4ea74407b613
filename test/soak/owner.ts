import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../sim/world/random.ts';
import type { ApiAnswer } from '../support/daemon.ts';
import { SLEEP } from '../support/engine.ts';
import type { Host } from '../support/hosts.ts';

/** What a service says of itself; undefined: it does not exist. */
interface State {
  readonly op: number;
  readonly replicas: number;
}
interface Service {
  readonly Version: { readonly Index: number };
  readonly Spec: {
    readonly Labels: { readonly op: string };
    readonly Mode: { readonly Replicated: { readonly Replicas: number } };
  };
}
type Outcome = 'acked' | 'refused' | 'unknown';

/** Whoever takes a user's requests. */
export interface Clerk {
  api(method: string, path: string, body?: unknown): Promise<ApiAnswer>;
}
/** Brings each request to another manager than the one before. */
export class Rounds implements Clerk {
  readonly #hosts: readonly Host[];
  #next: number;

  constructor(hosts: readonly Host[], first: number) {
    this.#hosts = hosts;
    this.#next = first;
  }

  api(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const host = this.#hosts[this.#next++ % this.#hosts.length] as Host;
    return host.daemon.api(method, path, body);
  }
}

/** How likely a command removes the service, or changes its replicas, rather than its label. */
export interface Habits {
  readonly removes: number;
  readonly scales: number;
}

const servicesEach = 3;
const replicasMax = 3;
const retryMs = 50;
const patienceMs = 60_000;

/**
 * A user with services of its own, which nobody else touches: it knows what each may look like. After a command without
 * an answer there are two possibilities, until the next look says which.
 */
class Owner {
  acked = 0;
  refused = 0;
  unknown = 0;
  lost = 0;
  readonly #clerk: Clerk;
  readonly #habits: Habits;
  readonly #random: Random;
  readonly #names: readonly string[];
  readonly #possible = new Map<string, readonly (State | undefined)[]>();
  #op = 0;
  #stopped = false;

  constructor(
    clerk: Clerk,
    index: number,
    seed: number,
    habits: Habits = { removes: 0.08, scales: 0.15 },
  ) {
    this.#clerk = clerk;
    this.#habits = habits;
    this.#random = new Random(seed, `owner ${index}`);
    this.#names = Array.from({ length: servicesEach }, (_, i) => `soak-${index}-${i}`);
    for (const name of this.#names) this.#possible.set(name, [undefined]);
  }

  async run(): Promise<void> {
    while (!this.#stopped) await this.#turn(this.#random.pick(this.#names));
  }
  stop(): void {
    this.#stopped = true;
  }

  /** Looks at every service once more. Rejects when nobody answers. */
  async verify(): Promise<void> {
    const deadline = performance.now() + patienceMs;
    for (const name of this.#names) {
      const answer = await this.#ask(name, () => performance.now() > deadline);
      if (answer === undefined) throw new Error(`no answer about ${name} for ${patienceMs} ms`);
      this.#compare(name, answer);
    }
  }

  /** The services that exist, with their replicas; after `verify`. */
  replicas(): readonly (readonly [name: string, replicas: number])[] {
    return [...this.#possible].flatMap(([name, [state]]) =>
      state === undefined ? [] : [[name, state.replicas] as const],
    );
  }

  async #turn(name: string): Promise<void> {
    const answer = await this.#ask(name, () => this.#stopped);
    if (answer === undefined) return;
    const found = this.#compare(name, answer);
    const state = this.#possible.get(name)?.[0];
    if (found === undefined || state === undefined) {
      const next = this.#next(this.#habits.scales > 0 ? this.#random.int(0, 1) : 0);
      await this.#send(name, next, 'POST', '/services/create', specOf(name, next));
    } else if (this.#random.chance(this.#habits.removes))
      await this.#send(name, undefined, 'DELETE', `/services/${name}`);
    else {
      const scale = this.#random.chance(this.#habits.scales);
      const next = this.#next(scale ? this.#random.int(0, replicasMax) : state.replicas);
      const path = `/services/${name}/update?version=${found.Version.Index}`;
      await this.#send(name, next, 'POST', path, specOf(name, next));
    }
  }

  #next(replicas: number): State {
    return { op: ++this.#op, replicas };
  }

  async #send(
    name: string,
    next: State | undefined,
    method: string,
    path: string,
    body?: object,
  ): Promise<void> {
    const before = this.#possible.get(name) ?? [];
    const outcome = await this.#clerk.api(method, `/v1.51${path}`, body).then(
      (answer) => outcomeOf(answer),
      (): Outcome => 'unknown',
    );
    this[outcome]++;
    if (outcome === 'acked') this.#possible.set(name, [next]);
    else if (outcome === 'unknown') this.#possible.set(name, [...before, next]);
  }

  /** What the API says of the service; undefined when it was given up. Waits while nobody answers. */
  async #ask(name: string, giveUp: () => boolean): Promise<ApiAnswer | undefined> {
    while (!giveUp()) {
      const answer = await this.#clerk.api('GET', `/v1.51/services/${name}`).catch(() => undefined);
      if (answer?.status === 200 || answer?.status === 404) return answer;
      await sleep(retryMs);
    }
    return undefined;
  }

  /** The service as it is now, which has to be one of the possibilities. */
  #compare(name: string, { status, body }: ApiAnswer): Service | undefined {
    const service = status === 200 ? (body as Service) : undefined;
    const state = service === undefined ? undefined : stateOf(service);
    const possible = this.#possible.get(name) ?? [];
    const isIt = (s: State | undefined): boolean =>
      s?.op === state?.op && s?.replicas === state?.replicas;
    const at = possible.findIndex(isIt);
    if (at < 0) {
      this.lost++;
      process.stderr.write(
        `LOST: ${name} is ${JSON.stringify(state)}, expected ${JSON.stringify(possible)}\n`,
      );
    }
    // what was asked for without an answer may still be on its way
    this.#possible.set(name, [state, ...possible.slice(at + 1)]);
    return service;
  }
}

/** What came of their commands. */
export type Tally = Readonly<Record<'acked' | 'refused' | 'unknown' | 'lost', number>>;

/** Several users at the same time. */
export class Owners {
  readonly #all: readonly Owner[];
  #running: Promise<unknown> = Promise.resolve();

  /** @param clerk who brings the requests of a user; users are counted from 0 */
  constructor(count: number, clerk: (index: number) => Clerk, seed: number, habits?: Habits) {
    this.#all = Array.from({ length: count }, (_, i) => new Owner(clerk(i), i, seed, habits));
  }

  run(): void {
    this.#running = Promise.all(this.#all.map((owner) => owner.run()));
  }
  /** Resolves when the last command has its answer. */
  async stop(): Promise<void> {
    for (const owner of this.#all) owner.stop();
    await this.#running;
  }
  /** As each owner's. */
  async verify(): Promise<void> {
    for (const owner of this.#all) await owner.verify();
  }

  tally(): Tally {
    const sum = (count: keyof Tally): number =>
      this.#all.reduce((total, owner) => total + owner[count], 0);
    return {
      acked: sum('acked'),
      refused: sum('refused'),
      unknown: sum('unknown'),
      lost: sum('lost'),
    };
  }
  /** As each owner's. */
  replicas(): readonly (readonly [name: string, replicas: number])[] {
    return this.#all.flatMap((owner) => owner.replicas());
  }
}

const stateOf = ({ Spec }: Service): State => ({
  op: Number(Spec.Labels.op),
  replicas: Spec.Mode.Replicated.Replicas,
});

const specOf = (name: string, { op, replicas }: State): object => ({
  Name: name,
  Labels: { op: String(op) },
  TaskTemplate: { ContainerSpec: { Image: SLEEP, StopGracePeriod: 1e9 } },
  Mode: { Replicated: { Replicas: replicas } },
});

/** A refusal is the client's error; after one of the server's, nobody knows what became of the command. */
function outcomeOf({ status }: ApiAnswer): Outcome {
  if (status < 300) return 'acked';
  return status >= 500 ? 'unknown' : 'refused';
}
