import type { Abdication, HeartbeatReply, LeaderHeartbeat } from '../../bus/protocol.ts';
import { heartbeatReplyFrom } from '../../bus/bodies.ts';
import { BusError } from '../../bus/ports.ts';
import { subjects } from '../../bus/subjects.ts';
import { type Room, roomOfMajority } from '../../domain/disk-room.ts';
import { ActorChild } from '../../supervisors/child.ts';
import type { Report } from '../../supervisors/report.ts';
import { reasonOf } from '../../supervisors/restart-policy.ts';
import type { Committed, Committer } from './committer.ts';
import { Leader, type LeaderOptions } from './leader.ts';
import { holdsLease, type LeaseInput, leaseMachine } from './lease.machine.ts';
import { keptByAll, termMs } from './quorum.ts';

export interface OwnTermOptions
  extends Omit<LeaderOptions, 'mayServe' | 'log' | 'heardAt' | 'isAbsent' | 'room'> {
  readonly managers: () => readonly string[];
  readonly listeners: () => readonly string[];
  /** Since when this manager may grant itself the lease. */
  readonly ownFrom: number;
  readonly report: Report;
  /** By manager: up to where its journal is on its disk. */
  readonly onKept?: (kept: Readonly<Record<string, number>>) => void;
  /** What there is room for on this manager's own disk. */
  readonly diskRoom?: () => Room;
  /** This leader may serve now, or may no more. */
  readonly onChange: () => void;
  /** Another leads, or nothing comes of this term: the leader term is to be ended. */
  readonly onEnd: () => void;
}

/** One manager's time as the leader, from its claim to its end: the lease, the leader's actors, the committer. */
export class OwnTerm {
  readonly epoch: number;
  readonly #options: OwnTermOptions;
  readonly #scope = new AbortController();
  readonly #leader: Leader;
  readonly #lease: ActorChild<typeof leaseMachine>;
  /** Heartbeats in a row that nobody was there to answer. */
  readonly #unheard = new Map<string, number>();

  constructor(options: OwnTermOptions) {
    const { clock, nodeId, managers, listeners, ownFrom, committer, report, registry } = options;
    this.#options = options;
    this.epoch = committer.epoch;
    this.#leader = new Leader({
      ...options,
      log: report,
      mayServe: () => this.mayServe(),
      room: () => this.#room(),
      heardAt: (manager) => this.#lease.actor.getSnapshot().context.sentAt.get(manager),
      isAbsent: (manager) => (this.#unheard.get(manager) ?? 0) >= termMs.absentHeartbeats,
    });
    const input = (scope: AbortSignal): LeaseInput => ({
      scope,
      clock,
      nodeId,
      epoch: this.epoch,
      managers,
      listeners,
      ownFrom,
      heartbeat: (manager) => this.#heartbeat(manager),
      onLease: (held) => this.#onLease(held),
      onEnd: (why) => {
        report('leadership_over', { epoch: this.epoch, why });
        options.onEnd();
      },
    });
    // No second one takes its place: what this one knew of the others is gone, and with it the right to lead.
    this.#lease = new ActorChild(
      { id: 'lease', logic: leaseMachine, input },
      { clock, report, address: 'manager/leader', registry },
      (exit) => options.onCrash(reasonOf(exit)),
    );
  }

  start(): void {
    this.#leader.start(this.mayServe());
    this.#lease.start();
  }

  /** A majority of the managers stands behind this leader at this moment. */
  mayServe(): boolean {
    return !this.#scope.signal.aborted && holdsLease(this.#lease.actor.getSnapshot().context);
  }

  excuseNodes(except: string): void {
    this.#leader.excuseNodes(except);
  }

  /** How far the state is. */
  index(): number {
    return this.#options.replica.store.index;
  }

  /** Runs a command, lease or not: it is answered only with a record in the log or the lease behind it. */
  command(name: string, body: unknown, id?: string): Promise<Committed<unknown>> {
    return this.#leader.command(name, body, id);
  }

  get committer(): Committer {
    return this.#options.committer;
  }

  /** Where the log must go on from: every other manager has what is before on its own disk. */
  neededFrom(): number {
    const { managers, nodeId } = this.#options;
    return keptByAll(managers(), nodeId, this.#lease.actor.getSnapshot().context.kept);
  }

  #room(): Room {
    const { managers, nodeId, diskRoom } = this.#options;
    const { rooms } = this.#lease.actor.getSnapshot().context;
    const own = diskRoom?.() ?? 'enough';
    const others = managers().filter((id) => id !== nodeId);
    return roomOfMajority([own, ...others.map((id) => rooms.get(id) ?? 'enough')]);
  }

  /** From here on this manager serves nobody. */
  end(): Promise<void> {
    this.#scope.abort();
    void this.#lease.stop();
    this.#options.committer.retire();
    return this.#leader.stop();
  }

  /** Tells the others that they need not wait for this leader's silence. After `end`. */
  abdicate(): void {
    const { bus, nodeId, generation, managers } = this.#options;
    const body: Abdication = { generation, epoch: this.epoch, nodeId };
    for (const id of managers())
      if (id !== nodeId) bus.publish(subjects.manager(id, 'abdicate'), body);
  }

  async #heartbeat(manager: string): Promise<HeartbeatReply | undefined> {
    const { bus, nodeId, generation, replica } = this.#options;
    const { epoch } = this;
    const kept = {
      ...Object.fromEntries(this.#lease.actor.getSnapshot().context.kept),
      [nodeId]: replica.kept,
    };
    this.#options.onKept?.(kept);
    const body: LeaderHeartbeat = { generation, epoch, nodeId, index: replica.store.index, kept };
    const answer = await bus
      .request(subjects.manager(manager, 'beat'), body, termMs.heartbeatTimeout)
      .then(heartbeatReplyFrom, (error: unknown) => {
        const isUnheard = error instanceof BusError && error.code === 'no-responder';
        this.#unheard.set(manager, isUnheard ? (this.#unheard.get(manager) ?? 0) + 1 : 0);
        return undefined;
      });
    if (answer !== undefined) this.#unheard.delete(manager);
    if (!this.#scope.signal.aborted) this.#leader.heedManagers();
    return answer;
  }

  #onLease(held: boolean): void {
    // While the actor starts, the leader has been told already.
    this.#leader.serve(held && !this.#scope.signal.aborted);
    this.#options.onChange();
  }
}
