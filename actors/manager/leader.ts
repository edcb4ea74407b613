import type { LogGroup, Unsubscribe } from '../../bus/ports.ts';
import type { LeaderTerm } from '../../bus/protocol.ts';
import type { Applied } from '../../domain/store/changes.ts';
import type { ChildPorts } from '../../supervisors/child.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { DynamicPorts, Restarts } from '../../supervisors/dynamic.ts';
import type { Registry } from '../../supervisors/registry.ts';
import { Supervisor } from '../../supervisors/supervisor.ts';
import { objectRestarts, singleRestarts } from '../../supervisors/trees.ts';
import { LeaderCommands, type LeaderCommandsOptions } from './commands.ts';
import type { Committed } from './committer.ts';
import { DispatcherPart } from './dispatcher-part.ts';
import { type CaPorts, CaReconciler } from './reconcile/ca.ts';
import { featureLevelOf } from './reconcile/feature-level.ts';
import { LogServersReconciler, type LogServersPorts } from './reconcile/log-servers.ts';
import { Reconcilers } from './reconcile/reconcilers.ts';
import { schedulerOf } from './reconcile/scheduler.ts';
import { objectReconcilers } from './reconcile/table.ts';
import type { Replica } from './replica.ts';

export interface LeaderOptions
  extends LeaderCommandsOptions,
    Pick<LogServersPorts, 'heardAt' | 'isAbsent' | 'abdicate' | 'retreat'> {
  readonly replica: Replica;
  /** The lease holds: this leader may speak for the cluster. */
  readonly mayServe: () => boolean;
  readonly clock: Clock;
  readonly generation: number;
  readonly nodeId: string;
  /** Without it the CA stays as it is. */
  readonly ca?: CaPorts;
  /** Without it the log's servers stay as they are. */
  readonly group?: LogGroup;
  readonly registry?: Registry;
  /** A part gave up: this leadership is of no more use. */
  readonly onCrash: (error: unknown) => void;
}

/** Everything that runs only while this manager leads: commands, reconcilers and the dispatcher. */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #commands: LeaderCommands;
  readonly #logServers: LogServersReconciler;
  readonly #reconcilers: Reconcilers;
  readonly #dispatcher: DispatcherPart;
  readonly #parts: Supervisor;
  readonly #subscriptions: Unsubscribe[] = [];

  constructor(options: LeaderOptions) {
    this.#options = options;
    const { replica, committer, group, random, onCrash, log } = options;
    const now = (): number => committer.now();
    const epoch = (): LeaderTerm => ({ generation: options.generation, epoch: committer.epoch });
    const ports = {
      view: replica.store,
      propose: committer.propose.bind(committer),
      log,
    };
    const ca = options.ca && new CaReconciler({ ...options, ...options.ca, ...ports, epoch });
    this.#commands = new LeaderCommands(options, ca);
    this.#logServers = new LogServersReconciler({ ...options, ...ports, group, now });
    this.#reconcilers = new Reconcilers({
      ...ports,
      now,
      objects: objectReconcilers,
      cluster: [
        schedulerOf(ports),
        ...(ca === undefined ? [] : [ca]),
        this.#logServers,
        featureLevelOf(ports),
      ],
      supervision: (name) => this.#children(name, 'transient'),
      actor: (name) => this.#parts.get(name),
    });
    this.#dispatcher = new DispatcherPart({
      ...options,
      epoch,
      children: this.#children('nodes', 'permanent'),
      onHello: (nodeId) => ca?.greet(nodeId),
    });
    this.#parts = new Supervisor(
      singleRestarts,
      [...this.#reconcilers.children(), this.#dispatcher.part()],
      { ...this.#ports('manager/leader'), random },
      onCrash,
    );
  }

  /**
   * Starts from the store alone: whatever the last leader missed is found by the first plans.
   * @param serving whether it has its lease already; `serve` tells of changes
   */
  start(serving: boolean): void {
    this.#subscriptions.push(
      this.#options.replica.watch((applied) => this.#observe(applied)),
      this.#commands.subscribe(),
    );
    this.#reconcilers.start();
    this.#dispatcher.serve(serving);
    this.#parts.start();
  }

  /** The lease was got or lost. */
  serve(serving: boolean): void {
    this.#dispatcher.serve(serving);
  }

  /** What is known of other managers may have changed. */
  heedManagers(): void {
    if (this.#logServers.isPlanDue()) this.#reconcilers.wake(this.#logServers.name);
  }

  /** Nodes have lost their connections through no fault of theirs, all but `except`: they have longer to come back. */
  excuseNodes(except: string): void {
    this.#dispatcher.excuseNodes(except);
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#subscriptions.splice(0)) unsubscribe();
    await Promise.all([this.#reconcilers.stop(), this.#parts.stop()]);
  }

  /**
   * Runs one command of `domain/commands`; rejects with its Fault.
   * @param id by which the log is to tell it
   */
  command(name: string, body: unknown, id?: string): Promise<Committed<unknown>> {
    return this.#commands.run(name, body, id);
  }

  /** Routes what was committed to those that it concerns. */
  #observe(applied: readonly Applied[]): void {
    this.#reconcilers.observe(applied);
    this.#dispatcher.observe(applied);
  }

  #ports(address: string): ChildPorts {
    const { clock, registry, log } = this.#options;
    return { clock, address, registry, report: log };
  }

  /** For the actors of one kind of object: whatever ends one, it starts again, from the store. */
  #children(kind: string, restart: Restarts['restart']): DynamicPorts & { restarts: Restarts } {
    const { random, onCrash } = this.#options;
    const restarts = { restart, flags: objectRestarts, random, onEscalate: onCrash };
    return { ...this.#ports(`manager/leader/${kind}`), restarts };
  }
}
