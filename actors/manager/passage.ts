import type { Checkpoint, LogGroup } from '../../bus/ports.ts';
import { lacksCopy } from '../../domain/members/plan.ts';
import type { LogForm } from '../../domain/model/objects.ts';
import type { View } from '../../domain/store/view.ts';
import { type Clock, pause } from '../../supervisors/clock.ts';
import type { Report } from '../../supervisors/report.ts';
import type { Manager } from './manager.ts';

/** A manager's place in the log, as its disk tells of it. */
export interface Seat {
  readonly nodeId: string;
  /** Generation of the log that this manager's store belongs to (docs/state-log.md); 0 while none is known. */
  readonly generation: number;
  /** Absent: `alone`. */
  readonly form?: LogForm['form'];
  /** The generation begins here, behind this sequence: its log is yet to be made. */
  readonly founding?: { readonly after: number };
  /** This manager has no state yet: it gets it from another one. */
  readonly joining?: true;
}

/** A manager's disk, its log and the other managers. */
export interface PassagePorts<S extends Seat> {
  readonly seat: () => S;
  /** Durable when it returns. A seat in another generation ends this manager: it goes on as another one. */
  readonly save: (seat: S) => void;
  /** The journal of a generation begins with this state; what there is of the generation was cut off, and goes. Durable when it resolves. */
  readonly begin: (generation: number, checkpoint: Checkpoint) => Promise<void>;
  readonly checkpointOf: (generation: number) => Promise<Checkpoint | undefined>;
  /** Removes what there is of other generations. */
  readonly keepOnly: (generation: number) => void;
  /** The other managers are those of this state. */
  readonly notePeers: (view: View) => void;
  /** Resolves when the log's servers are enough to make a log; rejects when `limit` ends. */
  readonly ready: (limit: AbortSignal) => Promise<void>;
  /** Makes the log, if there is none: its first record, and how many copies it begins with. */
  readonly create: (first?: number, copies?: number) => Promise<unknown>;
  /** Gets the state of this generation from another manager; asks until one gives it. Rejects when the scope ends. */
  readonly fetchState: (scope: AbortSignal) => Promise<void>;
  /** Resolves when another manager says that it is in this generation or a later one. Rejects when the scope ends. */
  readonly begun: (generation: number, scope: AbortSignal) => Promise<void>;
  /** Resolves when the log has a copy on this manager's server that is up to date. Rejects when the scope ends. */
  readonly copied: (scope: AbortSignal) => Promise<void>;
  /** Ends when a generation that has not come about is to be given up. */
  readonly patience: () => AbortSignal;
  readonly report: Report;
}

/** How often the log's servers are asked for a copy that is being made, ms. */
const copyEveryMs = 300;

/** For `copied`. `told` hears what it waits for, and '' in the end. */
export async function untilCopied(
  group: Pick<LogGroup, 'survey'>,
  nodeId: string,
  clock: Clock,
  scope: AbortSignal,
  told: (why: string) => void = () => undefined,
): Promise<void> {
  for (;;) {
    const why = await group.survey().then(
      (survey) => lacksCopy(survey, nodeId),
      () => "the log's servers do not answer",
    );
    scope.throwIfAborted();
    told(why);
    if (why === '') return;
    await pause(clock, copyEveryMs, scope);
    scope.throwIfAborted();
  }
}

/** How often a manager looks whether its server is in the group, and how long it must not have been there, ms. A leader of the
 * servers that has lost the others, and so may not have heard of this one, gives up within half of that time. */
const forgottenMs = { look: 5_000, whole: 20_000 } as const;

/**
 * Resolves when the log's servers have gone on without this manager's for long, although it runs and hears them: they
 * took it out while it was away. Nobody tells it so, and by its name it is not let in again for minutes. Rejects when
 * the scope ends.
 */
export async function untilForgotten(
  group: Pick<LogGroup, 'isMember'>,
  clock: Clock,
  scope: AbortSignal,
): Promise<void> {
  let since: number | undefined;
  for (;;) {
    const isOut = await group.isMember().then(
      (isMember) => !isMember,
      () => false,
    );
    scope.throwIfAborted();
    since = isOut ? (since ?? clock.now()) : undefined;
    if (since !== undefined && clock.now() - since >= forgottenMs.whole) return;
    await pause(clock, forgottenMs.look, scope);
    scope.throwIfAborted();
  }
}

/**
 * A manager's way from one generation of the log to the next. At each moment its disk has all that is needed to go on
 * from there: a generation's journal is durable before the seat in it, and what there is of the generation before goes
 * only when the new one has a log, or this manager a part in it.
 */
export class Passage<S extends Seat> {
  readonly #ports: PassagePorts<S>;
  /** This manager is on its way to another generation: what its seat in this one comes to is nothing any more. */
  #isLeaving = false;

  constructor(ports: PassagePorts<S>) {
    this.#ports = ports;
  }

  /**
   * Makes the log where it begins, gets the state where it is elsewhere. Answers whether this manager may go on; not when
   * it gave the generation up. Rejects when the scope ends.
   * @param isFirst this is the very first log
   */
  async enter(isFirst: boolean, scope: AbortSignal): Promise<boolean> {
    const { seat, save, ready, create, keepOnly, fetchState, patience } = this.#ports;
    const { founding, joining, form, generation } = seat();
    if (form === 'several' && (founding ?? joining) !== undefined) {
      const limit = founding === undefined ? undefined : patience();
      const either = limit === undefined ? scope : AbortSignal.any([scope, limit]);
      try {
        await ready(either);
      } catch (error) {
        if (scope.aborted || limit?.aborted !== true) throw error;
        await this.#giveUp();
        return false;
      }
    }
    if (isFirst) await create();
    if (founding !== undefined) {
      await create(founding.after + 1, form === 'several' ? 2 : 1);
      const { founding: _, ...founded } = seat();
      save(founded as S);
      keepOnly(generation);
    }
    if (joining === true) await fetchState(scope);
    return true;
  }

  /**
   * The log's servers are away, and no manager but this one has counted in this generation, so nobody else has written to
   * its log: the next generation begins here, with what this one knows.
   */
  async retreat(manager: Pick<Manager, 'snapshot'>): Promise<void> {
    const { seat } = this.#ports;
    this.#isLeaving = true;
    await this.#found(seat().generation + 1, 'alone', manager.snapshot());
  }

  /** Whoever begins a generation counts in it, whether or not it has heard that it counted in the one before. */
  async #found(generation: number, form: LogForm['form'], checkpoint: Checkpoint): Promise<void> {
    const { seat, save, begin } = this.#ports;
    await begin(generation, checkpoint);
    const { joining: _, ...own } = seat();
    save({ ...(own as S), generation, form, founding: { after: checkpoint.seq } });
  }

  /** The other managers did not come, and nothing was written: the log goes on here, in one more generation. */
  async #giveUp(): Promise<void> {
    const { seat, save, begin, checkpointOf, report } = this.#ports;
    const { generation } = seat();
    report('generation_given_up', { generation });
    const checkpoint = await checkpointOf(generation);
    if (checkpoint === undefined)
      throw new Error('the journal of this generation has no beginning');
    await begin(generation + 1, checkpoint);
    save({ ...seat(), generation: generation + 1, form: 'alone' });
  }

  /**
   * This generation is closed: its founder begins the next one. The others stay until it has: without their servers it
   * may never learn that its last record was written. Rejects when the scope ends.
   */
  async leave(manager: Pick<Manager, 'view' | 'snapshot'>, scope: AbortSignal): Promise<void> {
    const { seat, save, begun, notePeers } = this.#ports;
    const next = manager.view().cluster()?.log?.next;
    if (next === undefined) return;
    this.#isLeaving = true;
    if (next.founder !== seat().nodeId) {
      await begun(next.generation, scope);
      return save({ ...seat(), generation: 0, form: 'several', joining: true });
    }
    const checkpoint = manager.snapshot();
    notePeers(manager.view());
    await this.#found(next.generation, next.form, checkpoint);
  }

  /** When the log counts on its server, this manager counts, too. */
  async sit(manager: Pick<Manager, 'command'>, scope: AbortSignal): Promise<void> {
    const { seat, save, keepOnly, copied, report } = this.#ports;
    while (!scope.aborted)
      try {
        await copied(scope);
        const { nodeId, generation } = seat();
        await manager.command('manager.seated', { nodeId });
        if (this.#isLeaving) return;
        report('manager_seated', { generation });
        const { joining: _, ...seated } = seat();
        save(seated as S);
        return keepOnly(generation);
      } catch (error) {
        report('manager_not_seated', { error: String(error) });
      }
  }
}
