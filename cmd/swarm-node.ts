import type { Manager } from '../actors/manager/manager.ts';
import { isNoLeader } from '../actors/manager/faults.ts';
import type { LogReading, NodeAway, TaskLogs } from '../actors/manager/task-logs.ts';
import { treesOf } from '../actors/manager/trees.ts';
import { isManager } from '../actors/node/identity.ts';
import { joinPatienceMs, membershipMachine } from '../actors/node/membership.machine.ts';
import type { Change } from '../actors/node/membership.ts';
import { text } from '../actors/node/swarm-texts.ts';
import type { LocalState, Swarm } from '../api/ports.ts';
import { daemonFault } from '../domain/errors.ts';
import type { LogChunk } from '../domain/logs/frames.ts';
import type { LogStatus } from '../domain/members/log-status.ts';
import type { InitRequest, JoinRequest } from '../domain/members/requests.ts';
import type { Applied } from '../domain/store/changes.ts';
import type { View } from '../domain/store/view.ts';
import { ActorChild } from '../supervisors/child.ts';
import { systemClock } from '../supervisors/clock.ts';
import { reasonOf } from '../supervisors/restart-policy.ts';
import { packBackup } from './backup.ts';
import { actorLog } from './log.ts';
import { NodeSteps } from './membership-steps.ts';
import { NodeParts, type NodePartsOptions } from './node-parts.ts';
import { OwnPlace } from './own-place.ts';
import { taskLogsOf } from './task-logs.ts';

export type SwarmNodeOptions = NodePartsOptions;

/** For a manager that is being started, ms. */
const managerPatienceMs = { request: 5_000, changing: 30_000 } as const;

/**
 * This daemon's place in a swarm, as its API and its parts use it: changes of it are asked of the membership's machine,
 * everything else of the manager that runs.
 */
export class SwarmNode implements Swarm {
  readonly #options: SwarmNodeOptions;
  readonly #place: OwnPlace;
  readonly #parts: NodeParts;
  readonly #steps: NodeSteps;
  readonly #membership: ActorChild<typeof membershipMachine>;
  readonly #logs: TaskLogs;
  readonly #listeners = new Set<(changes: readonly Applied[]) => void>();

  constructor(options: SwarmNodeOptions) {
    this.#options = options;
    this.#place = new OwnPlace(options.files);
    this.#parts = this.#newParts();
    this.#steps = new NodeSteps({
      ...options,
      place: this.#place,
      parts: this.#parts,
      awaitManager: () => this.#awaitManager(),
      onRole: (role) => this.#changeOwn({ kind: 'role', role }),
    });
    const input = () => ({ facts: this.#steps, steps: this.#steps });
    const report = actorLog(options.logger, { actor: 'membership' });
    this.#membership = new ActorChild(
      { id: 'membership', logic: membershipMachine, input },
      { clock: systemClock, report, registry: options.registry },
      // a rule of the machine is broken: the daemon ends, and its service manager starts it again
      (exit) => {
        throw reasonOf(exit);
      },
    );
    this.#logs = taskLogsOf(this.#parts, () => this.#place.identity?.nodeId);
    this.watch((applied) => this.#logs.noteChanges(applied));
  }

  #newParts(): NodeParts {
    return new NodeParts(this.#options, {
      identity: () => this.#place.identity,
      // itself last: what the others know it may not have heard yet
      managers: () =>
        this.#place
          .managers()
          .map(({ addr }) => addr)
          .toReversed(),
      onIdentity: (identity) => {
        if (this.#place.identity !== undefined) this.#place.write(identity);
      },
      onElsewhere: (identity) => this.#changeOwn({ kind: 'restart', identity, isElsewhere: true }),
      onRestart: (identity) => this.#changeOwn({ kind: 'restart', identity, isElsewhere: false }),
      onMoved: (addresses) => this.#changeOwn({ kind: 'move', addresses }),
      onRole: (role) => this.#changeOwn({ kind: 'role', role }),
      onChanges: (applied) => {
        for (const listener of this.#listeners) listener(applied);
      },
    });
  }

  /** Takes up the place that the files tell of. What an init that was cut off left behind is removed. */
  start(): void {
    const { files, logger } = this.#options;
    files.recover();
    this.#place.load();
    this.#membership.start();
    this.#membership.actor.send({ type: 'begin' });
    const { identity, isLocked } = this.#place;
    if (identity === undefined) files.wipe();
    else if (isLocked) logger.warn({}, 'locked');
    else this.#steps.resume(identity);
  }

  local(): LocalState {
    const { identity, isLocked } = this.#place;
    const { joining } = this.#steps;
    // told with every ping: what has to be read from files is read where it is wanted
    const error = (): string =>
      isLocked ? text.locked : (joining?.error ?? this.#parts.complaint());
    const remoteManagers = (): LocalState['remoteManagers'] =>
      joining?.request.remoteAddrs.map((addr) => ({ nodeId: '', addr })) ?? this.#place.managers();
    return {
      state: this.#state(),
      nodeId: identity?.nodeId ?? '',
      nodeAddr: (identity ?? joining?.addresses)?.advertiseHost ?? '',
      manager: !isLocked && identity !== undefined && isManager(identity),
      get error() {
        return error();
      },
      get remoteManagers() {
        return remoteManagers();
      },
    };
  }

  #state(): LocalState['state'] {
    if (this.#place.isLocked) return 'locked';
    if (this.#place.identity !== undefined) return this.#parts.isArriving ? 'pending' : 'active';
    return this.#is('joining') ? 'pending' : 'inactive';
  }

  #is(tag: 'joining' | 'replacing'): boolean {
    return this.#membership.actor.getSnapshot().hasTag(tag);
  }

  /**
   * A change that the node's parts ask for. There is nobody to hear of its failure, which leaves parts stopped: it is
   * uncaught on purpose, so that the daemon logs it and ends, and its next start goes on with what is on the disk.
   */
  #changeOwn(change: Change): void {
    void this.#change(change);
  }

  /** Resolves when the change is done. They are made one at a time. */
  #change(change: Change): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#membership.actor.send({ type: 'ask', change, reply: { resolve, reject } });
    });
  }

  async init(request: InitRequest): Promise<string> {
    return String(await this.#change({ kind: 'init', request }));
  }
  async join(request: JoinRequest): Promise<void> {
    const deadline = systemClock.now() + joinPatienceMs;
    await this.#change({ kind: 'join', request });
    const { identity } = this.#place;
    if (identity === undefined) return;
    const { running, session, place } = this.#parts;
    // who has joined is known to the leader, and a manager can be asked, and counts
    const parts = isManager(identity) ? [session, running, place] : [session];
    const leftMs = deadline - systemClock.now();
    await Promise.all(parts.map((part) => part.up(() => leftMs))).catch(() => {
      throw daemonFault('Unavailable', text.joinTimeout);
    });
  }
  async leave(force: boolean): Promise<void> {
    await this.#change({ kind: 'leave', force });
  }
  async unlock(key: string): Promise<void> {
    await this.#change({ kind: 'unlock', key });
  }
  async follow(): Promise<void> {
    await this.#change({ kind: 'follow' });
  }

  async command(name: string, body: unknown): Promise<unknown> {
    return (await this.#ask((manager) => manager.command(name, body))).result;
  }
  read(): Promise<View> {
    return this.#ask((manager) => manager.read());
  }

  /** Of the manager that runs. One that ends without having done anything is followed by another. */
  async #ask<T>(question: (manager: Manager) => Promise<T>): Promise<T> {
    for (;;) {
      const manager = await this.#awaitManager();
      try {
        return await question(manager);
      } catch (error) {
        if (
          manager === this.#parts.running.current ||
          this.#place.identity === undefined ||
          !isNoLeader(error)
        )
          throw error;
      }
    }
  }
  leaderId(): string {
    return this.#parts.running.current?.leaderId() ?? '';
  }
  async logStatus(): Promise<LogStatus> {
    return (await this.#awaitManager()).logStatus();
  }
  backup(): Promise<Uint8Array> {
    return this.#ask(async (manager) => {
      const cluster = (await manager.read()).cluster();
      if (cluster === undefined) throw daemonFault('Unavailable', text.notInSwarm);
      const { generation } = manager;
      const taken = { version: 1, clusterId: cluster.id, generation, at: Date.now() } as const;
      return packBackup({ ...taken, ...manager.snapshot() });
    });
  }
  async leadLogFrom(nodeId: string): Promise<void> {
    await (await this.#awaitManager()).leadLogFrom(nodeId);
  }
  readonly tree = () => this.#parts.tree();
  readonly trees = async (ids: readonly string[]) => treesOf((await this.#awaitManager()).bus, ids);
  watch(listener: (changes: readonly Applied[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  taskLogs(reading: LogReading): AsyncIterable<LogChunk | NodeAway> {
    return this.#logs.read(reading);
  }

  /** Renews the certificate now, if this node is in a swarm. */
  renew(): void {
    this.#parts.renew();
  }

  /** The manager as soon as it runs; Docker's 503 texts outside a swarm and when it does not come up. */
  #awaitManager(): Promise<Manager> {
    const { identity, isLocked } = this.#place;
    if (identity === undefined) return Promise.reject(daemonFault('Unavailable', text.notManager));
    if (isLocked) return Promise.reject(daemonFault('Unavailable', text.locked));
    if (!isManager(identity)) return Promise.reject(daemonFault('Unavailable', text.worker));
    const held = this.#parts.held();
    if (held !== '') return Promise.reject(daemonFault('Unavailable', held));
    return this.#parts.running.up(
      () => managerPatienceMs[this.#isChanging() ? 'changing' : 'request'],
    );
  }

  /** The manager is between two places in the log, or its parts are just being replaced. */
  #isChanging(): boolean {
    const { founding, joining } = this.#place.identity ?? {};
    return this.#is('replacing') || founding !== undefined || joining !== undefined;
  }
}
