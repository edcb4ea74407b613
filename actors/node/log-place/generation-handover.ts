import type { LogForm } from '../../../domain/model/objects.ts';
import { routePeers } from '../../../domain/members/form.ts';
import type { Report } from '../../../supervisors/report.ts';
import type { Manager } from '../../manager/manager.ts';
import type { LogFollower } from './log-follower.ts';
import type { LogPlaceDisk } from './log-place.ts';
import type { Checkpoint } from '../../../bus/ports.ts';

/** The servers that keep the log of this manager's generation. All promises reject when the scope ends. */
export interface LogServers {
  /** Resolves when they are enough to make a log. */
  ready(scope: AbortSignal): Promise<void>;
  /** Makes the log, if there is none: its first record, and how many copies it begins with. */
  create(first?: number, copies?: number): Promise<unknown>;
  /** Resolves when the log has a copy on this manager's server that is up to date. */
  copied(scope: AbortSignal): Promise<void>;
  /** Ends when a generation that has not come about is to be given up. */
  foundingPatience(): AbortSignal;
}

export interface GenerationHandoverOptions {
  readonly disk: LogPlaceDisk;
  readonly servers: LogServers;
  readonly others: Pick<LogFollower, 'fetchState' | 'begun'>;
  readonly report: Report;
}

/**
 * A manager's way from one generation of the log to the next. At each moment its disk has all that is needed to go on
 * from there: a generation's journal is durable before the place in it, and what there is of the generation before goes
 * only when the new one has a log, or this manager a part in it.
 */
export class GenerationHandover {
  readonly #options: GenerationHandoverOptions;
  /** This manager is on its way to another generation: what its place in this one comes to is nothing any more. */
  #isLeaving = false;

  constructor(options: GenerationHandoverOptions) {
    this.#options = options;
  }

  /**
   * Makes the log where it begins, gets the state where it is elsewhere. Answers whether this manager may go on; not when
   * it gave the generation up. Rejects when the scope ends.
   * @param isFirst this is the very first log
   */
  async open(isFirst: boolean, scope: AbortSignal): Promise<boolean> {
    const { disk, servers, others } = this.#options;
    const { founding, joining, form, generation } = disk.place();
    if (form === 'several' && (founding ?? joining) !== undefined) {
      const limit = founding === undefined ? undefined : servers.foundingPatience();
      const either = limit === undefined ? scope : AbortSignal.any([scope, limit]);
      try {
        await servers.ready(either);
      } catch (error) {
        if (scope.aborted || limit?.aborted !== true) throw error;
        await this.#giveUp();
        return false;
      }
    }
    if (isFirst) await servers.create();
    if (founding !== undefined) {
      await servers.create(founding.after + 1, form === 'several' ? 2 : 1);
      const { founding: _, ...founded } = disk.place();
      disk.save(founded);
      disk.keepOnly(generation);
    }
    if (joining === true) await others.fetchState(scope);
    return true;
  }

  /**
   * The log's servers are away, and no manager but this one has counted in this generation, so nobody else has written to
   * its log: the next generation begins here, with what this one knows.
   */
  async retreat(manager: Pick<Manager, 'snapshot'>): Promise<void> {
    this.#isLeaving = true;
    await this.#found(this.#options.disk.place().generation + 1, 'alone', manager.snapshot());
  }

  /** Whoever begins a generation counts in it, whether or not it has heard that it counted in the one before. */
  async #found(generation: number, form: LogForm['form'], checkpoint: Checkpoint): Promise<void> {
    const { disk } = this.#options;
    await disk.beginGeneration(generation, checkpoint);
    const { joining: _, ...own } = disk.place();
    disk.save({ ...own, generation, form, founding: { after: checkpoint.seq } });
  }

  /** The other managers did not come, and nothing was written: the log goes on here, in one more generation. */
  async #giveUp(): Promise<void> {
    const { disk, report } = this.#options;
    const { generation } = disk.place();
    report('generation_given_up', { generation });
    const checkpoint = await disk.checkpointOf(generation);
    if (checkpoint === undefined)
      throw new Error('the journal of this generation has no beginning');
    await disk.beginGeneration(generation + 1, checkpoint);
    disk.save({ ...disk.place(), generation: generation + 1, form: 'alone' });
  }

  /**
   * This generation is closed: its founder begins the next one. The others stay until it has: without their servers it
   * may never learn that its last record was written. Rejects when the scope ends.
   */
  async advance(manager: Pick<Manager, 'view' | 'snapshot'>, scope: AbortSignal): Promise<void> {
    const { disk, others } = this.#options;
    const next = manager.view().cluster()?.log?.next;
    if (next === undefined) return;
    this.#isLeaving = true;
    if (next.founder !== disk.place().nodeId) {
      await others.begun(next.generation, scope);
      return disk.save({ ...disk.place(), generation: 0, form: 'several', joining: true });
    }
    const checkpoint = manager.snapshot();
    disk.notePeers(routePeers(manager.view()));
    await this.#found(next.generation, next.form, checkpoint);
  }

  /** When the log counts on its server, this manager counts, too. */
  async confirm(manager: Pick<Manager, 'command'>, scope: AbortSignal): Promise<void> {
    const { disk, servers, report } = this.#options;
    while (!scope.aborted)
      try {
        await servers.copied(scope);
        const { nodeId, generation } = disk.place();
        await manager.command('manager.seated', { nodeId });
        if (this.#isLeaving) return;
        report('manager_seated', { generation });
        const { joining: _, ...placed } = disk.place();
        disk.save(placed);
        return disk.keepOnly(generation);
      } catch (error) {
        report('manager_not_seated', { error: String(error) });
      }
  }
}
