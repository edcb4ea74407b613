import { createActor, type ActorRefFrom } from 'xstate';
import type { Bus, Journal, StateLog } from '../../bus/ports.ts';
import type { CommandContext } from '../../domain/commands/command.ts';
import { daemonFault, noLeaderText } from '../../domain/errors.ts';
import type { View } from '../../domain/store/view.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { Registry } from '../../supervisors/registry.ts';
import { type Committed, Committer, type Decide } from './committer.ts';
import { Leader } from './leader.ts';
import { leadershipMachine } from './leadership.machine.ts';
import { Replica, type Watcher } from './replica.ts';

export interface ManagerOptions {
  readonly nodeId: string;
  readonly generation: number;
  readonly bus: Bus;
  readonly log: StateLog;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly wallNow: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  readonly newJoinToken: CommandContext['newJoinToken'];
  readonly report: (event: string, fields: object) => void;
  /** Records between two checkpoints of the journal, where not `limits.checkpointEveryRecords`. */
  readonly checkpointEvery?: number;
  /** Where the leader's actors can be looked up. */
  readonly registry?: Registry;
  /** A rule was broken inside: the manager does nothing any more and must be opened anew. */
  readonly onCrash?: (error: unknown) => void;
}

/** A request that needs a leader waits this long for one, ms; then it gets Swarm's no-leader text. */
const leaderPatienceMs = 5_000;
/** The journal is a cache of the durable log: it is synced in the background, at most this often, ms. */
const journalFlushMs = 500;

/** A manager: its copy of the state, and the leader while it leads. */
export class Manager {
  readonly #options: ManagerOptions;
  readonly #replica: Replica;
  readonly #scope = new AbortController();
  readonly #waiters = new Set<() => void>();
  #leadership: ActorRefFrom<typeof leadershipMachine> | undefined;
  #committer: Committer | undefined;
  #leader: Leader | undefined;
  #flushTimer: number | undefined;
  #deposed: () => void = () => undefined;

  private constructor(options: ManagerOptions, replica: Replica) {
    this.#options = options;
    this.#replica = replica;
  }

  /** Rebuilds the state from the journal. Rejects with JournalError when it is damaged. */
  static async open(options: ManagerOptions): Promise<Manager> {
    const manager = new Manager(
      options,
      await Replica.open(options.journal, options.checkpointEvery),
    );
    manager.#replica.watch(() => manager.#afterCommit());
    return manager;
  }

  /** Competes for leadership from now on. */
  start(): void {
    const { log, clock, report } = this.#options;
    this.#leadership = createActor(leadershipMachine, {
      clock,
      input: {
        scope: this.#scope.signal,
        catchUp: () => this.#replica.catchUp(log),
        claim: () => this.#claim(),
        lead: (deposed) => this.#lead(deposed),
        log: report,
      },
    });
    this.#leadership.subscribe({ error: (error: unknown) => this.#crash(error) });
    this.#leadership.start();
  }

  /** Stops leading, refuses what waits, syncs the journal. Agents and their tasks go on. Never rejects. */
  async stop(): Promise<void> {
    this.#scope.abort();
    this.#leadership?.stop();
    this.#committer?.stop();
    await this.#leader?.stop();
    this.#leader = undefined;
    for (const waiter of this.#waiters) waiter();
    if (this.#flushTimer !== undefined) this.#options.clock.clearTimeout(this.#flushTimer);
    // what it did not get is in the log
    await this.#options.journal.close().catch((error: unknown) => this.#journalFailed(error));
  }

  isLeading(): boolean {
    return this.#leader !== undefined;
  }
  leaderId(): string {
    return this.isLeading() ? this.#options.nodeId : '';
  }
  /** The state as this manager has it now, however old. */
  view(): View {
    return this.#replica.store;
  }
  watch(watcher: Watcher): () => void {
    return this.#replica.watch(watcher);
  }

  /** Runs a command on the leader; durable and in `view()` when it resolves. Rejects with a Fault. */
  async command(name: string, body: unknown): Promise<Committed<unknown>> {
    return (await this.#awaitLeader()).command(name, body);
  }

  /** Commits a decision of this daemon's own (founding the cluster, its node's state). */
  async propose<T>(decide: Decide<T>): Promise<Committed<T>> {
    await this.#awaitLeader();
    if (this.#committer === undefined) throw daemonFault('Unknown', noLeaderText);
    return this.#committer.propose(decide);
  }

  /** The state, at least as new as every write acknowledged before. */
  async read(): Promise<View> {
    await this.#awaitLeader();
    return this.#replica.store;
  }

  async #claim(): Promise<void> {
    const { log, clock, wallNow, newId, nodeId, generation } = this.#options;
    this.#committer?.stop();
    this.#committer = new Committer({
      log,
      replica: this.#replica,
      clock,
      wallNow,
      newId,
      node: nodeId,
      generation,
      onDeposed: () => this.#deposed(),
      onCrash: (error) => this.#crash(error),
    });
    await this.#committer.claim();
  }

  #crash(error: unknown): void {
    this.#options.report('manager_crashed', { error: String(error) });
    this.#options.onCrash?.(error);
  }

  #lead(deposed: () => void): () => void {
    const { bus, clock, random, generation, newJoinToken, report, registry } = this.#options;
    if (this.#committer === undefined) return () => undefined;
    const leader = new Leader({
      bus,
      replica: this.#replica,
      committer: this.#committer,
      clock,
      random,
      generation,
      newJoinToken,
      log: report,
      ...(registry !== undefined && { registry }),
    });
    this.#deposed = deposed;
    this.#leader = leader;
    leader.start();
    report('leading', { epoch: this.#committer.epoch, index: this.#replica.store.index });
    for (const waiter of this.#waiters) waiter();
    return () => {
      this.#leader = undefined;
      void leader.stop();
    };
  }

  #awaitLeader(): Promise<Leader> {
    if (this.#leader !== undefined) return Promise.resolve(this.#leader);
    return new Promise((resolve, reject) => {
      const { clock } = this.#options;
      const end = (): void => {
        this.#waiters.delete(waiter);
        clock.clearTimeout(timer);
      };
      const waiter = (): void => {
        end();
        if (this.#leader !== undefined) resolve(this.#leader);
        else reject(daemonFault('Unknown', noLeaderText));
      };
      const timer = clock.setTimeout(waiter, leaderPatienceMs);
      this.#waiters.add(waiter);
    });
  }

  #afterCommit(): void {
    const { clock, journal, log } = this.#options;
    const failed = (error: unknown): void => this.#journalFailed(error);
    this.#flushTimer ??= clock.setTimeout(() => {
      this.#flushTimer = undefined;
      journal.flush().catch(failed);
      this.#replica.compact(log).catch(failed);
    }, journalFlushMs);
  }

  #journalFailed(error: unknown): void {
    this.#options.report('journal_failed', { error: String(error) });
  }
}
