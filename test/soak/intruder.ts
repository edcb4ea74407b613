// A worker with a real certificate that does whatever it likes, by seed.

import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import { type AgentVerb, subjects } from '../../bus/subjects.ts';
import type { Random } from '../sim/world/random.ts';
import { connectRaw, type joinRaw } from '../support/intruder.ts';
import { Nonsense } from './nonsense.ts';
import { type Deeds, takeTurns, type Turns } from './turns.ts';

/** What it does in turn; how often, relative to the others. */
const weights = {
  talk: 3,
  flood: 2,
  bulk: 2,
  connections: 1,
  subscriptions: 1,
} as const;
type Kind = keyof typeof weights;
const askedAtOnce = 20;
const askPatienceMs = 1_000;
const connectionsMax = 300;
const subscriptionsMax = 100_000;
const sentBetweenFlushes = 1_000;
/** Of three bytes each: a body of up to 4 MB that is as deep as it is long. */
const nestedMax = 1_300_000;
const pauseMs = 50;

export class Intruder {
  readonly #own: Awaited<ReturnType<typeof joinRaw>>;
  readonly #managers: readonly string[];
  readonly #random: Random;
  readonly #nonsense: Nonsense;
  readonly #done: Record<Kind | 'cut', number> = {
    talk: 0,
    flood: 0,
    bulk: 0,
    connections: 0,
    subscriptions: 0,
    cut: 0,
  };

  constructor(
    own: Awaited<ReturnType<typeof joinRaw>>,
    managers: readonly string[],
    random: Random,
  ) {
    this.#own = own;
    this.#managers = managers;
    this.#random = random;
    this.#nonsense = new Nonsense(random);
  }

  /** What it has done, by kind; `cut` counts connections that it was refused or lost. */
  async run(seconds: number): Promise<Deeds> {
    await takeTurns(this.#random, weights, this.#turns, seconds);
    return this.#done;
  }

  readonly #turns: Turns<Kind> = {
    talk: (end) =>
      this.#connected(end, async (connection) => {
        await Promise.all(Array.from({ length: askedAtOnce }, () => this.#ask(connection)));
      }),
    flood: (end) =>
      this.#connected(end, async (connection) => {
        const said = this.#random.pick([JSON.stringify({ session: 's' }), '{}', '']);
        for (let i = 0; i < sentBetweenFlushes; i++)
          connection.publish(this.#subject('beat'), said);
        this.#done.flood += sentBetweenFlushes;
        await connection.flush();
      }),
    bulk: (end) =>
      this.#connected(end, async (connection) => {
        const verb = this.#random.pick(['hello', 'status', 'beat'] as const);
        connection.publish(this.#subject(verb), '[1,'.repeat(this.#random.int(1, nestedMax)));
        this.#done.bulk += 1;
        await connection.flush();
      }),
    connections: (end) => this.#open(end),
    subscriptions: (end) =>
      this.#connected(end, async (connection) => {
        const inbox = subjects.inboxPrefix(this.#own.nodeId);
        for (let i = 0; i < subscriptionsMax && performance.now() < end; i++) {
          if (connection.isClosed()) return;
          connection.subscribe(`${inbox}.${i}`, { callback: () => undefined });
          this.#done.subscriptions += 1;
          if (i % sentBetweenFlushes === 0) await connection.flush();
        }
      }),
  };

  #subject(verb: AgentVerb): string {
    return subjects.agent(this.#own.nodeId, verb);
  }

  #manager(): string {
    return this.#random.pick(this.#managers);
  }

  #connect(): Promise<NatsConnection> {
    return connectRaw(this.#own.busPort, this.#own, this.#manager());
  }

  /** Until `end`, again and again over a new connection whenever one is cut. */
  async #connected(
    end: number,
    work: (connection: NatsConnection) => Promise<void>,
  ): Promise<void> {
    while (performance.now() < end)
      try {
        const connection = await this.#connect();
        try {
          // a flush over a connection that is cut has no answer
          while (performance.now() < end && !connection.isClosed())
            await Promise.race([work(connection), connection.closed()]);
        } finally {
          await connection.close();
        }
      } catch {
        this.#done.cut += 1;
        await sleep(pauseMs);
      }
  }

  /** One request of any kind, to what it may ask and to what it may not; an answer is not missed. */
  async #ask(connection: NatsConnection): Promise<void> {
    const { hello, status } = this.#nonsense;
    const [subject, valid] = this.#random.pick<readonly [string, object]>([
      [this.#subject('hello'), hello()],
      [this.#subject('status'), status()],
      [this.#subject('beat'), { session: 's' }],
      [this.#subject('leave'), {}],
      [subjects.command('service.create'), {}],
      [subjects.manager(this.#random.id(), 'command'), {}],
    ]);
    const body = this.#nonsense.body(valid);
    await connection.request(subject, body, { timeout: askPatienceMs }).catch(() => undefined);
    this.#done.talk += 1;
  }

  async #open(end: number): Promise<void> {
    const open: NatsConnection[] = [];
    while (performance.now() < end && open.length < connectionsMax)
      try {
        open.push(await this.#connect());
        this.#done.connections += 1;
      } catch {
        this.#done.cut += 1;
        await sleep(pauseMs);
      }
    await sleep(Math.max(0, end - performance.now()));
    await Promise.all(open.map((connection) => connection.close()));
  }
}
