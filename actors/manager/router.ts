import { forwardReplyFrom, indexReplyFrom } from '../../bus/bodies.ts';
import { type Bus, BusError } from '../../bus/ports.ts';
import type { ForwardedCommand } from '../../bus/protocol.ts';
import { subjects } from '../../bus/subjects.ts';
import { faultOf } from '../../bus/wire-fault.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { Committed } from './committer.ts';
import { type ForwardOutcome, PendingForwards } from './pending-forwards.ts';
import { isNoLeader, noLeader, tooLarge } from './faults.ts';
import type { Serving } from './peers.ts';
import type { Replica } from './replica.ts';

export interface RouterPorts<Leader extends Serving> {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly replica: Replica;
  readonly generation: number;
  readonly newId: () => string;
  /** This manager as the leader, while it may speak for the cluster. */
  readonly here: () => Leader | undefined;
  /** Another manager that is thought to lead, '' for none, and the newest epoch heard of. */
  readonly elsewhere: () => Elsewhere;
}
interface Elsewhere {
  readonly manager: string;
  readonly epoch: number;
}

/** A request that needs a leader waits this long for one, ms; then it gets Swarm's no-leader text. */
const leaderPatienceMs = 5_000;
/** How long the leader has for a command, ms; and for the question how far the state is. */
const commandTimeoutMs = 10_000;
const indexTimeoutMs = 1_000;
/** How long this manager's copy may take to have what the leader has, ms. */
const catchUpMs = 5_000;
/** Without a word about the leader it is looked for again after this long, ms. */
const lookAgainMs = 100;

/**
 * Brings commands and questions to whoever leads: this manager itself, or another over the bus. What was certainly not
 * done is tried again until the patience is over; what may have been is not.
 */
export class Router<Leader extends Serving> {
  readonly #ports: RouterPorts<Leader>;
  readonly #waiters = new Set<() => void>();
  readonly #forwards: PendingForwards;
  #closed = false;
  /** The question that is on its way, and the one that all who came after it was sent are waiting for. */
  #asking: Promise<unknown> | undefined;
  #next: Promise<number> | undefined;

  constructor(ports: RouterPorts<Leader>) {
    this.#ports = ports;
    this.#forwards = new PendingForwards(ports.replica, ports.clock);
  }

  /** Somebody leads now, or no more. */
  wake(): void {
    for (const waiter of this.#waiters) waiter();
  }

  /** Refuses what waits for a leader. */
  close(): void {
    this.#closed = true;
    this.wake();
  }

  /** Durable, and in this manager's copy, when it resolves. Rejects with a Fault. */
  async command(name: string, body: unknown): Promise<Committed<unknown>> {
    const { replica, clock } = this.#ports;
    const done = await this.#find<Committed<unknown>>(
      (leader) => leader.command(name, body).catch(unlessNotTaken),
      (elsewhere) => this.#forward(elsewhere, name, body),
    );
    // The command is done, even should this copy not follow in time: a read waits for it again.
    await replica.reached(done.index, clock, catchUpMs);
    return done;
  }

  /** Resolves when this manager's copy has everything that was acknowledged before. Rejects with a Fault. */
  async settle(): Promise<void> {
    const { replica, clock, here } = this.#ports;
    if (here() !== undefined) return;
    const index = await this.#shared();
    if (!(await replica.reached(index, clock, catchUpMs))) throw noLeader();
  }

  /** This manager as the leader. Rejects with a Fault unless it comes to lead soon. */
  lead(): Promise<Leader> {
    return this.#find(
      (leader) => Promise.resolve(leader),
      () => Promise.resolve(undefined),
    );
  }

  /** A question answers all who came before it was sent; who comes later shares the next. */
  #shared(): Promise<number> {
    if (this.#next !== undefined) return this.#next;
    if (this.#asking === undefined) return this.#ask();
    const next = this.#asking.then(() => {
      this.#next = undefined;
      return this.#ask();
    });
    return (this.#next = next);
  }

  #ask(): Promise<number> {
    const answer = this.#find<number>(
      (leader) => Promise.resolve(leader.index()),
      ({ manager }) => this.#askIndex(manager),
    );
    // who asked has the error; the next question only waits for the end
    const over = answer
      .catch(() => undefined)
      .then(() => {
        if (this.#asking === over) this.#asking = undefined;
      });
    this.#asking = over;
    return answer;
  }

  /** Tries whoever leads until somebody answers or the patience is over. */
  async #find<T>(
    local: (leader: Leader) => Promise<ForwardOutcome<T>>,
    remote: (elsewhere: Elsewhere) => Promise<ForwardOutcome<T>>,
  ): Promise<T> {
    const { clock, here, elsewhere } = this.#ports;
    const deadline = clock.now() + leaderPatienceMs;
    for (;;) {
      if (this.#closed) throw noLeader();
      const leader = here();
      const other = elsewhere();
      const found =
        leader !== undefined
          ? await local(leader)
          : other.manager === ''
            ? undefined
            : await remote(other);
      if (found !== undefined) return found;
      const left = deadline - clock.now();
      if (left <= 0) throw noLeader();
      await this.#news(Math.min(left, lookAgainMs));
    }
  }

  #forward(
    { manager, epoch }: Elsewhere,
    name: string,
    body: unknown,
  ): Promise<ForwardOutcome<Committed<unknown>>> {
    const { generation, newId } = this.#ports;
    const command: ForwardedCommand = { generation, epoch, id: newId(), name, body };
    const ask = async () => {
      const reply = forwardReplyFrom(
        await this.#request(manager, 'command', command, commandTimeoutMs),
      );
      if (reply === undefined) return undefined;
      if (reply.ok) return { asked: { result: reply.result, index: reply.index } };
      if ('leading' in reply) return { asked: undefined };
      throw faultOf(reply.error);
    };
    return this.#forwards.run(command, ask, commandTimeoutMs);
  }

  /** Asking twice does no harm, so whatever goes wrong is tried again. */
  async #askIndex(manager: string): Promise<ForwardOutcome<number>> {
    const reply = indexReplyFrom(await this.#request(manager, 'index', {}, indexTimeoutMs));
    return reply?.ok === true ? reply.index : undefined;
  }

  /** Undefined when no answer came: what was asked for may have happened or not. Rejects with a Fault when it cannot be sent. */
  async #request(
    manager: string,
    verb: 'command' | 'index',
    body: object,
    timeoutMs: number,
  ): Promise<unknown> {
    const { bus } = this.#ports;
    if (!bus.isConnected()) return notTaken;
    try {
      return await bus.request(subjects.manager(manager, verb), body, timeoutMs);
    } catch (error) {
      if (error instanceof BusError && error.code === 'no-responder') return notTaken;
      if (error instanceof BusError && error.code === 'too-large') throw tooLarge();
      return undefined;
    }
  }

  #news(limitMs: number): Promise<void> {
    const { clock } = this.#ports;
    return new Promise((resolve) => {
      const end = (): void => {
        this.#waiters.delete(end);
        clock.clearTimeout(timer);
        resolve();
      };
      const timer = clock.setTimeout(end, limitMs);
      this.#waiters.add(end);
    });
  }
}

/** As if the manager itself had said so. */
const notTaken = { ok: false, leading: false } as const;

function unlessNotTaken(error: unknown): undefined {
  if (isNoLeader(error)) return undefined;
  throw error;
}
