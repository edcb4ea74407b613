import { hashOf } from '../../bus/log-entry.ts';
import type { Bus, Checkpoint, Journal, LogGroup, StateLog } from '../../bus/ports.ts';
import type { Abdication, HeartbeatReply, Excuse, LeaderHeartbeat } from '../../bus/protocol.ts';
import { subjects } from '../../bus/subjects.ts';
import type { CommandContext } from '../../domain/commands/command.ts';
import type { Room } from '../../domain/disk-room.ts';
import { Incompatible } from '../../domain/format/format.ts';
import { enterGeneration, formOf, isClosed, leavesLead } from '../../domain/members/form.ts';
import { type LogStatus, logStatusOf } from '../../domain/members/log-status.ts';
import type { LogForm } from '../../domain/model/objects.ts';
import type { View } from '../../domain/store/view.ts';
import { ActorChild } from '../../supervisors/child.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { Registry } from '../../supervisors/registry.ts';
import type { Report } from '../../supervisors/report.ts';
import { reasonOf } from '../../supervisors/restart-policy.ts';
import type { CaPorts } from './reconcile/ca.ts';
import { type Committed, Committer, type Decide } from './committer.ts';
import { inDoubt } from './faults.ts';
import { hearLeader, type LeadershipInput, leadershipMachine } from './leadership.machine.ts';
import { LogTail } from './log-tail.ts';
import { Peers, type Serving } from './peers.ts';
import { isAlone, listenersOf, managersOf, termMs } from './quorum.ts';
import { OwnTerm } from './own-term.ts';
import { LogContradiction, Replica, type Watcher } from './replica.ts';
import { Router } from './router.ts';
import { LeaseGrant } from './lease-grant.ts';

export interface ManagerOptions {
  readonly nodeId: string;
  readonly generation: number;
  readonly form: LogForm['form'];
  readonly bus: Bus;
  readonly log: StateLog;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly wallNow: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  readonly newJoinToken: CommandContext['newJoinToken'];
  readonly newUnlockKey: CommandContext['newUnlockKey'];
  /** Without it the CA stays as it is. */
  readonly ca?: CaPorts;
  /** Without it the log's servers stay as they are. */
  readonly group?: LogGroup;
  readonly report: Report;
  /** Records between two checkpoints of the journal, where not `limits.checkpointEveryRecords`. */
  readonly checkpointEvery?: number;
  /** What there is room for on this manager's disk; absent: everything. */
  readonly diskRoom?: () => Room;
  /** Where the leader's actors can be looked up. */
  readonly registry?: Registry;
  /** The manager does nothing any more: a rule was broken inside, or it is `Incompatible` with what the log holds. */
  readonly onCrash?: (error: unknown) => void;
  /**
   * What this manager knows and the log cannot both be true, and that has lasted: it serves and counts for nothing until
   * somebody decides. Told once.
   */
  readonly onContradiction?: (why: string) => void;
  /** By manager: up to where its journal is on its disk, as the leader knows; told again and again. */
  readonly onKept?: (kept: Readonly<Record<string, number>>) => void;
  /** This generation of the log has ended (`view` tells how it goes on): nothing is written any more. Told once. */
  readonly onClosed?: () => void;
  /** The log's servers are away for good, and no other manager counted yet: this one is to go on alone. Told once. */
  readonly onStranded?: () => void;
}

/** A leader of the log that has just been elected may not have all of it yet: a contradiction that lasts as long is one, ms. */
const contradictionMs = 5_000;
/** What another manager may know a moment before this one, ms. */
const onLogPatienceMs = 1_000;
/** The journal is a cache of the durable log: it is synced in the background, at most this often, ms. */
const journalFlushMs = 500;

/**
 * A manager: its copy of the state, and the leader while it leads. While another leads it follows, and brings what it is
 * asked for to that one.
 */
export class Manager {
  readonly #options: ManagerOptions;
  readonly #replica: Replica;
  readonly #scope = new AbortController();
  readonly #router: Router<OwnTerm & Serving>;
  readonly #leaseGrant: LeaseGrant;
  /** How far the state was when this manager was opened. */
  readonly #openedAt: number;
  #peers: Peers | undefined;
  #leadership: ActorChild<typeof leadershipMachine> | undefined;
  #committer: Committer | undefined;
  #ownTerm: OwnTerm | undefined;
  #tail: LogTail | undefined;
  #flushTimer: number | undefined;
  #isClosed = false;
  /** What this manager knows and the log do not fit together. */
  #doubt: { readonly why: string; readonly since: number; told: boolean } | undefined;
  /** Ends the leader term; does nothing while there is none. */
  #depose: () => void = () => undefined;
  /** The managers of the cluster, until one comes or goes. */
  #managers: readonly string[] | undefined;

  private constructor(options: ManagerOptions, replica: Replica) {
    const { bus, clock, generation, newId } = options;
    this.#options = options;
    this.#replica = replica;
    this.#openedAt = replica.store.index;
    this.#leaseGrant = new LeaseGrant(generation, clock.now());
    this.#router = new Router({
      bus,
      clock,
      replica,
      generation,
      newId,
      here: () => this.#serving(),
      elsewhere: () => ({ manager: this.#heard(), epoch: this.#leaseGrant.epoch }),
    });
  }

  /** Rebuilds the state from the journal. Rejects with `JournalError` when it is damaged, and with `Incompatible`. */
  static async open(options: ManagerOptions): Promise<Manager> {
    const manager = new Manager(
      options,
      await Replica.open(options.journal, options.checkpointEvery, (what) =>
        options.report('state_left_out', { what }, 'warn'),
      ),
    );
    manager.#replica.watch((applied) => {
      if (applied.some((change) => change.kind === 'node')) manager.#managers = undefined;
      manager.#afterCommit();
      if (applied.some((change) => change.kind === 'cluster')) manager.#lookForEnd();
    });
    return manager;
  }

  /** Follows whoever leads, and competes for leadership, from now on. */
  start(): void {
    const { bus, nodeId, generation, clock } = this.#options;
    this.#peers = new Peers({
      bus,
      nodeId,
      generation,
      onHeartbeat: (heartbeat) => this.#onHeartbeat(heartbeat),
      onAbdication: (abdication) => this.#onAbdication(abdication),
      onExcuse: ({ except }) => this.#ownTerm?.excuseNodes(except),
      hearsNobody: () => this.#serving() === undefined && this.#leaseGrant.isSilent(clock.now()),
      leader: () => this.#serving(),
    });
    this.#lookForEnd();
    const off = bus.onConnection((connected) => {
      if (connected) this.#tail?.fill();
    });
    this.#scope.signal.addEventListener('abort', off, { once: true });
    this.#leadership = this.#makeLeadership();
    this.#leadership.start();
  }

  #makeLeadership(): ActorChild<typeof leadershipMachine> {
    const { nodeId, log, clock, random, report, registry } = this.#options;
    const input = (scope: AbortSignal): LeadershipInput => ({
      scope,
      random,
      heardFor: () => this.#leaseGrant.heardFor(clock.now()),
      isAlone: () => isAlone(this.#members(), nodeId),
      catchUp: (signal) => this.#catchUp(log, signal),
      follow: () => this.#follow(),
      preVote: () => this.#preVote(),
      claim: () => this.#claim(),
      lead: (deposed) => this.#lead(deposed),
      log: report,
    });
    return new ActorChild(
      { id: 'leadership', logic: leadershipMachine, input },
      { clock, report, address: 'manager', registry },
      (exit) => this.#crash(reasonOf(exit)),
    );
  }

  /**
   * Stops leading and tells the others so, refuses what waits, syncs the journal. Agents and their tasks go on. Never
   * rejects.
   */
  async stop(): Promise<void> {
    const ownTerm = this.#ownTerm;
    const { clock, journal, nodeId } = this.#options;
    // The server ends with the manager: nodes at it go to another one. This node itself ends, too.
    this.excuseNodes(nodeId);
    this.#ownTerm = undefined;
    this.#scope.abort();
    void this.#leadership?.stop();
    this.#tail?.stop(); // leadership may have ended by a failure, with what it had begun
    this.#peers?.close();
    const ended = ownTerm?.end();
    // Nobody is served here any more, so nobody need wait for a lease to end.
    ownTerm?.abdicate();
    this.#committer?.stop();
    this.#router.close();
    await ended;
    if (this.#flushTimer !== undefined) clock.clearTimeout(this.#flushTimer);
    // what it did not get is in the log
    await journal.close().catch(this.#journalFailed);
  }

  /** Of the log that this manager is of. */
  get generation(): number {
    return this.#options.generation;
  }

  /** This manager leads and may speak for the cluster. */
  isLeading(): boolean {
    return this.#serving() !== undefined;
  }
  /** The manager that leads, as far as it is known here; '' for none. */
  leaderId(): string {
    return this.isLeading() ? this.#options.nodeId : this.#heard();
  }
  /** This manager's bus server closes the connections of nodes, or has closed them: whoever leads gives them longer. */
  excuseNodes(except = ''): void {
    const { bus, nodeId, generation } = this.#options;
    this.#ownTerm?.excuseNodes(except);
    if (this.#ownTerm !== undefined) return;
    for (const id of this.#members())
      if (id !== nodeId)
        bus.publish(subjects.manager(id, 'excuse'), { generation, except } satisfies Excuse);
  }
  /** Its connection, for what is asked of nodes without the leader. */
  get bus(): Bus {
    return this.#options.bus;
  }
  /** The state as this manager has it now, however old. */
  view(): View {
    return this.#replica.store;
  }
  watch(watcher: Watcher): () => void {
    return this.#replica.watch(watcher);
  }

  /** The state as this manager has it now, to begin another journal with. */
  snapshot(): Checkpoint {
    return this.#replica.snapshot();
  }

  /** Since it was opened, this manager was part of a majority. */
  hasGoneOn(): boolean {
    return this.leaderId() !== '' || this.#replica.store.index > this.#openedAt;
  }

  /**
   * Whether another manager's journal that ends with this record is on the log: true, or what contradicts it. Undefined
   * where that is not known: without a leader, and where the log has forgotten the record. Never rejects.
   */
  async isOnLog(seq: number, hash: string): Promise<true | string | undefined> {
    if (this.leaderId() === '') return undefined;
    const { clock, log } = this.#options;
    try {
      const { index } = await this.read();
      const isThere = seq <= index || (await this.#replica.reached(seq, clock, onLogPatienceMs));
      if (!isThere) return `this manager knows of record ${seq}, and the log ends at ${index}`;
      const record = seq === 0 ? undefined : await log.confirm(seq);
      if (record === undefined) return seq === 0 ? true : undefined;
      return hashOf(record.data) === hash
        ? true
        : `record ${seq} of the log is another one than this manager knows`;
    } catch {
      return undefined;
    }
  }

  /** Rejects with `BusError` while the log's servers do not answer. */
  async logStatus(): Promise<LogStatus> {
    const { group } = this.#options;
    const { form } = formOf(this.view());
    return logStatusOf(this.view(), form === 'several' ? await group?.survey() : undefined);
  }
  /** The log's server on this node is to lead it. Rejects with `BusError` when it cannot. */
  async leadLogFrom(nodeId: string): Promise<void> {
    await this.#options.group?.handLead(nodeId);
  }

  /** Runs a command on the leader; durable and in `view()` when it resolves. Rejects with a Fault. */
  async command(name: string, body: unknown): Promise<Committed<unknown>> {
    this.#refuseInDoubt();
    return this.#router.command(name, body);
  }

  /** Commits a decision of this daemon's own (founding the cluster). Rejects with a Fault where another leads. */
  async propose<T>(decide: Decide<T>): Promise<Committed<T>> {
    return (await this.#router.lead()).committer.propose(decide);
  }

  /** The state, at least as new as every write acknowledged before, to whomever. */
  async read(): Promise<View> {
    this.#refuseInDoubt();
    await this.#router.settle();
    this.#refuseInDoubt();
    return this.#replica.store;
  }

  #members(): readonly string[] {
    const { form, nodeId } = this.#options;
    // others that the state still names are of the generation before: this one's first record lets them go
    if (form === 'alone') return [nodeId];
    return (this.#managers ??= managersOf(this.#replica.store));
  }

  #serving(): (OwnTerm & Serving) | undefined {
    return this.#ownTerm?.mayServe() === true ? this.#ownTerm : undefined;
  }

  /** Another manager that is heard to lead. */
  #heard(): string {
    const leader = this.#leaseGrant.leader(this.#options.clock.now());
    return leader === this.#options.nodeId ? '' : leader;
  }

  #onHeartbeat(heartbeat: LeaderHeartbeat): HeartbeatReply {
    const { clock } = this.#options;
    const known = this.#replica.epoch;
    const before = this.#heard();
    // Before the other is acknowledged: from then on this one may serve nobody.
    if (heartbeat.generation === this.#options.generation && heartbeat.epoch > known)
      this.#depose();
    const ok =
      this.#ownTerm === undefined &&
      this.#leaseGrant.hear(heartbeat, known, clock.now()) &&
      this.#doubt === undefined;
    const epoch = Math.max(known, this.#leaseGrant.epoch);
    if (heartbeat.epoch === epoch && this.#heard() === heartbeat.nodeId) {
      this.#tail?.expect(heartbeat.index);
      if (heartbeat.kept !== undefined) this.#options.onKept?.(heartbeat.kept);
      if (this.#leadership !== undefined) hearLeader(this.#leadership.actor);
      if (before !== heartbeat.nodeId) this.#router.wake();
    }
    return { ok, epoch, kept: this.#replica.kept, room: this.#options.diskRoom?.() ?? 'enough' };
  }

  #onAbdication(abdication: Abdication): void {
    if (this.#ownTerm !== undefined) return;
    if (this.#leaseGrant.release(abdication, this.#replica.epoch))
      this.#leadership?.actor.send({ type: 'released' });
  }

  /** Applies what others write, until the returned function is called. */
  #follow(): () => void {
    const { log, clock } = this.#options;
    const tail = new LogTail({
      log,
      replica: this.#replica,
      clock,
      onContradiction: (error) => this.#doubts(error),
      onCrash: (error) => this.#crash(error),
    });
    this.#tail = tail;
    return () => {
      tail.stop();
      this.#tail = undefined;
    };
  }

  async #preVote(): Promise<boolean> {
    const { nodeId } = this.#options;
    const managers = this.#members();
    if (managers.length > 0 && !managers.includes(nodeId)) return false;
    if (leavesLead(this.#replica.store, nodeId)) return false;
    return (await this.#peers?.preVote(managers, this.#replica.epoch + 1)) ?? false;
  }

  async #claim(): Promise<void> {
    const { log, clock, wallNow, newId, nodeId, generation, form } = this.#options;
    this.#committer?.stop();
    this.#committer = new Committer({
      log,
      replica: this.#replica,
      clock,
      wallNow,
      newId,
      node: nodeId,
      generation,
      isNewest: () => this.#serving() !== undefined,
      patienceMs: () =>
        isAlone(this.#members(), nodeId) ? Number.POSITIVE_INFINITY : termMs.stepDown,
      onDeposed: () => this.#depose(),
      onCrash: (error) => this.#crash(error),
    });
    await this.#committer.claim((view) => ({
      changes: enterGeneration(view, nodeId, { generation, form }),
      result: undefined,
    }));
  }

  #lookForEnd(): void {
    const { generation, onClosed } = this.#options;
    if (this.#isClosed || !isClosed(this.#replica.store, generation)) return;
    this.#isClosed = true;
    onClosed?.();
  }

  async #catchUp(log: StateLog, scope: AbortSignal): Promise<void> {
    try {
      await this.#replica.catchUp(log, scope);
      this.#doubt = undefined;
    } catch (error) {
      if (error instanceof LogContradiction) this.#doubts(error);
      if (error instanceof Incompatible) this.#crash(error);
      throw error;
    }
  }

  #refuseInDoubt(): void {
    if (this.#doubt !== undefined) throw inDoubt(this.#doubt.why);
  }

  #doubts({ message: why }: LogContradiction): void {
    const { clock, report, onContradiction } = this.#options;
    const doubt = (this.#doubt ??= { why, since: clock.now(), told: false });
    this.#leadership?.actor.send({ type: 'doubted' });
    if (doubt.told || clock.now() - doubt.since < contradictionMs) return;
    doubt.told = true;
    report('log_contradicted', { why }, 'warn');
    onContradiction?.(why);
  }

  #crash(error: unknown): void {
    this.#options.report('manager_crashed', { error: String(error) }, 'warn');
    this.#options.onCrash?.(error);
  }

  #lead(deposed: () => void): () => void {
    const committer = this.#committer;
    if (committer === undefined) return () => undefined;
    const ownTerm = new OwnTerm({
      ...this.#options,
      replica: this.#replica,
      committer,
      managers: () => this.#members(),
      listeners: () => listenersOf(this.#replica.store),
      abdicate: () => this.#yield(),
      retreat: () => this.#retreat(),
      ownFrom: this.#leaseGrant.ownFrom,
      command: async (name, body) => (await this.#router.lead()).command(name, body),
      onChange: () => this.#router.wake(),
      onEnd: () => this.#depose(),
      onCrash: (error) => this.#crash(error),
    });
    const end = (): void => {
      if (this.#ownTerm !== ownTerm) return;
      this.#ownTerm = undefined;
      void ownTerm.end();
    };
    this.#depose = () => {
      end();
      deposed();
    };
    this.#ownTerm = ownTerm;
    const { epoch } = ownTerm;
    this.#options.report('leading', { epoch, index: this.#replica.store.index });
    ownTerm.start();
    this.#router.wake();
    return () => {
      this.#depose = () => undefined;
      end();
    };
  }

  /** Another manager is to lead: this one lets go at once, and says so. */
  #yield(): void {
    const ownTerm = this.#ownTerm;
    this.#depose();
    ownTerm?.abdicate();
  }

  #retreat(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // a write that is acknowledged from here on would be in no later generation
    this.#committer?.stop();
    this.#options.onStranded?.();
  }

  #afterCommit(): void {
    const { clock, log } = this.#options;
    this.#flushTimer ??= clock.setTimeout(() => {
      this.#flushTimer = undefined;
      this.#replica.flush().catch(this.#journalFailed);
      // Only a leader knows what the others need of the log.
      this.#replica.compact(log, () => this.#ownTerm?.neededFrom() ?? 0).catch(this.#journalFailed);
    }, journalFlushMs);
  }

  readonly #journalFailed = (error: unknown): void =>
    this.#options.report('journal_failed', { error: String(error) }, 'warn');
}
