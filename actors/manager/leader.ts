import type { LogGroup, Unsubscribe } from '../../bus/ports.ts';
import type { Epoch } from '../../bus/protocol.ts';
import { assignmentChanges } from '../../domain/assign/assignments.ts';
import type { Applied } from '../../domain/store/changes.ts';
import type { ChildPorts } from '../../supervisors/child.ts';
import { aborted, type Clock } from '../../supervisors/clock.ts';
import type { DynamicPorts, Restarts } from '../../supervisors/dynamic.ts';
import type { Registry } from '../../supervisors/registry.ts';
import { runs } from '../../supervisors/run.ts';
import { type ChildSpec, Supervisor } from '../../supervisors/supervisor.ts';
import { objectRestarts, singleRestarts } from '../../supervisors/trees.ts';
import { LeaderCommands, type LeaderCommandsOptions } from './commands.ts';
import type { Committed } from './committer.ts';
import { Dispatcher } from './dispatcher.ts';
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
  readonly #ca: CaReconciler | undefined;
  /** Undefined between two incarnations: the next one begins with the store. */
  #dispatcher: Dispatcher | undefined;
  #serving = false;
  readonly #parts: Supervisor;
  readonly #subscriptions: Unsubscribe[] = [];

  constructor(options: LeaderOptions) {
    this.#options = options;
    const { replica, committer, group, random, onCrash, log } = options;
    const now = (): number => committer.now();
    const ports = {
      view: replica.store,
      propose: committer.propose.bind(committer),
      log,
    };
    const ca =
      options.ca && new CaReconciler({ ...options, ...options.ca, ...ports, epoch: this.#epoch });
    this.#ca = ca;
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
    this.#parts = new Supervisor(
      singleRestarts,
      [...this.#reconcilers.children(), this.#dispatcherPart()],
      { ...this.#ports('leader'), random },
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
    this.#serving = serving;
    this.#parts.start();
  }

  /** The lease was got or lost. */
  serve(serving: boolean): void {
    this.#serving = serving;
    this.#dispatcher?.serve(serving);
  }

  /** What is known of other managers may have changed. */
  heedManagers(): void {
    if (this.#logServers.heed()) this.#reconcilers.wake(this.#logServers.name);
  }

  /** Nodes have lost their connections through no fault of theirs, all but `except`: they have longer to come back. */
  excuseNodes(except: string): void {
    this.#dispatcher?.excuseNodes(except);
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
    for (const { kind, id, after } of applied)
      if (kind === 'node')
        if (after === undefined) void this.#dispatcher?.stopNode(id);
        else this.#dispatcher?.startNode(id);
    for (const [nodeId, ids] of assignmentChanges(applied)) this.#dispatcher?.changed(nodeId, ids);
  }

  #dispatcherPart(): ChildSpec {
    return {
      id: 'dispatcher',
      restart: 'permanent',
      waiting: () => this.#dispatcher?.waiting ?? 0,
      ...runs((scope) => this.#dispatch(scope)),
    };
  }

  async #dispatch(scope: AbortSignal): Promise<void> {
    const dispatcher = new Dispatcher({
      ...this.#options,
      epoch: this.#epoch,
      children: this.#children('nodes', 'permanent'),
      onHello: (nodeId) => this.#ca?.greet(nodeId),
    });
    this.#dispatcher = dispatcher;
    try {
      dispatcher.start(this.#serving);
      await aborted(scope);
    } finally {
      this.#dispatcher = undefined;
      await dispatcher.stop();
    }
  }

  readonly #epoch = (): Epoch => ({
    generation: this.#options.generation,
    epoch: this.#options.committer.epoch,
  });

  #ports(address: string): ChildPorts {
    const { clock, registry, log } = this.#options;
    return { clock, address, registry, report: log };
  }

  /** For the actors of one kind of object: whatever ends one, it starts again, from the store. */
  #children(kind: string, restart: Restarts['restart']): DynamicPorts & { restarts: Restarts } {
    const { random, onCrash } = this.#options;
    const restarts = { restart, flags: objectRestarts, random, onEscalate: onCrash };
    return { ...this.#ports(`leader/${kind}`), restarts };
  }
}
