import type { Assign } from '../../bus/protocol.ts';
import { endedTaskFrom, hasEndedOnNode } from '../../domain/assign/ended.ts';
import { limits } from '../../domain/limits.ts';
import { type Task, taskName, type TaskStatus } from '../../domain/model/objects.ts';
import { taskFrom } from '../../domain/model/template.ts';
import { isAdvance, isTerminal, type TaskState } from '../../domain/task-state.ts';
import { type Clock, pause } from '../../supervisors/clock.ts';
import { DynamicSupervisor } from '../../supervisors/dynamic.ts';
import type { Registry } from '../../supervisors/registry.ts';
import type { Report } from '../../supervisors/report.ts';
import type { Exit } from '../../supervisors/restart-policy.ts';
import { Gate } from './gate.ts';
import type { Controller, Executor, StatusReporter } from './ports.ts';
import { desireEvent, taskMachine } from './task.machine.ts';
import { endStatus, shortErrorText, isRetryable } from './task-status.ts';
import { Templates } from './templates.ts';

export interface WorkerPorts {
  readonly nodeId: string;
  readonly executor: Executor;
  readonly reporter: StatusReporter;
  readonly clock: Clock;
  /** Wall clock, ms. */
  readonly wallNow: () => number;
  readonly log: Report;
  readonly registry?: Registry;
  /** Ends the worker and its actors; containers stay as they are. */
  readonly scope: AbortSignal;
}

interface Entry {
  task: Task;
  /** Its spec is known: it had not ended when it was assigned. */
  isWhole: boolean;
  /** The furthest status known here. */
  status: TaskStatus;
  readonly controller: Controller;
  /** Not assigned any more: its container goes as soon as it has stopped. */
  leaving: boolean;
  crashed: boolean;
}

/** Pause before a container that could not be removed is tried again, ms. */
const removeRetryMs = 1_000;
/** Pause after as many tries as there are, where the task cannot end without, ms. */
const failRetryMs = 30_000;

/**
 * The tasks assigned to this node: an actor for each that lives, the last status of each that has ended. One change of
 * the assignments costs the same however many tasks there are.
 */
export class Worker {
  readonly #ports: WorkerPorts;
  readonly #entries = new Map<string, Entry>();
  readonly #actors: DynamicSupervisor;
  readonly #gate = new Gate(limits.engineOperationsMax);
  #ready: Promise<void> | undefined;
  #onEmpty: () => void = () => undefined;
  readonly #templates = new Templates();
  /** The tasks of the full set that is coming in. */
  #set: Set<string> | undefined;
  #sweeping = false;
  #sweepAgain = false;

  constructor(ports: WorkerPorts) {
    this.#ports = ports;
    this.#actors = new DynamicSupervisor({
      clock: ports.clock,
      report: ports.log,
      address: `agent/${ports.nodeId}/tasks`,
      ...(ports.registry === undefined ? {} : { registry: ports.registry }),
      onExit: (id, exit) => this.#exited(id, exit),
    });
    ports.scope.addEventListener('abort', () => void this.#actors.stopAll(), { once: true });
  }

  /** Takes one part of the assignments, in the order of their numbers. Throws when a part before it is missing. */
  apply({ seq, full, more, generation, templates, put, ended, remove }: Assign): void {
    if (full && seq === 1) this.#set = new Set();
    for (const template of templates) this.#templates.take(template, generation);
    for (const task of put) this.#put(taskFrom(task, this.#templates.of(task)), full, true);
    for (const task of ended) this.#put(endedTaskFrom(task), full, false);
    for (const id of remove) {
      this.#set?.delete(id);
      const entry = this.#entries.get(id);
      if (entry !== undefined) this.#drop(entry);
    }
    if (full && !more) this.#endSet();
  }

  /** What the full set did not name is not assigned any more. */
  #endSet(): void {
    for (const entry of this.#entries.values())
      if (this.#set?.has(entry.task.id) === false) this.#drop(entry);
    this.#set = undefined;
    void this.#sweep();
  }

  /** Keys of the specs that a leader in this generation of the log need not send again. */
  templates(generation: number): readonly string[] {
    const staying = [...this.#entries.values()].filter(
      ({ leaving, isWhole }) => !leaving && isWhole,
    );
    return this.#templates.keysOf(
      staying.map(({ task }) => task),
      generation,
    );
  }

  tasks(): readonly { readonly id: string; readonly state: TaskState }[] {
    return [...this.#entries.values()].map(({ task, status }) => ({
      id: task.id,
      state: status.state,
    }));
  }

  /** Stops every task and removes its container, as if none were assigned any more. Resolves when all are gone. */
  dropAll(): Promise<void> {
    for (const entry of this.#entries.values()) this.#drop(entry);
    if (this.#entries.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  #put(task: Task, full: boolean, isWhole: boolean): void {
    this.#set?.add(task.id);
    const entry = this.#entries.get(task.id);
    if (entry === undefined) return this.#add(task, isWhole);
    const known = entry.task;
    if (isWhole && !entry.isWhole) {
      entry.isWhole = true;
      this.#templates.use(task);
    }
    entry.task = isWhole ? task : { ...known, status: task.status, desired: task.desired };
    // A full set shows what the leader knows; it may have lost what it once acknowledged (restored or forced anew).
    if (full && isAdvance(task.status.state, entry.status.state))
      this.#ports.reporter.report(task.id, entry.status);
    if (known.desired !== task.desired) this.#desire(task);
  }

  #add(task: Task, isWhole: boolean): void {
    const controller = this.#ports.executor.controller(task);
    const { status } = task;
    const entry: Entry = { task, isWhole, status, controller, leaving: false, crashed: false };
    this.#entries.set(task.id, entry);
    if (isWhole) this.#templates.use(task);
    if (!hasEndedOnNode(task)) this.#start(entry);
  }

  #start(entry: Entry, failure?: string): void {
    const { wallNow, log } = this.#ports;
    const { task, status, controller } = entry;
    this.#actors.start(task.id, taskMachine, (scope) => ({
      task: { ...task, status },
      controller,
      reporter: { report: (id, next) => this.#report(id, next) },
      engineReady: () => this.#engineReady(),
      wallNow,
      log,
      scope,
      ...(failure === undefined ? {} : { failure }),
    }));
    this.#desire(task);
    if (isTerminal(task.status.state)) this.#stop(entry);
  }

  #desire(task: Task): void {
    const event = desireEvent(task.desired);
    if (event !== undefined) this.#actors.get(task.id)?.send(event);
  }

  #stop({ task }: Entry): void {
    this.#actors.get(task.id)?.send({ type: 'desire.shutdown' });
  }

  #report(id: string, status: TaskStatus): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) {
      entry.status = status;
      this.#note(entry.task, status);
    }
    this.#ports.reporter.report(id, status);
  }

  /** For who reads the log: which task runs in which container, and how it ended. */
  #note(task: Task, { state, err, container }: TaskStatus): void {
    const event = state === 'running' ? 'task_running' : isTerminal(state) ? 'task_ended' : '';
    if (event === '') return;
    const fields = {
      task: task.id,
      service: task.serviceId,
      name: taskName(task),
      state,
      ...(container !== undefined && { container: container.id }),
      ...(err !== undefined && { error: err }),
    };
    if (err === undefined) this.#ports.log(event, fields);
    else this.#ports.log('task_failed', fields, 'warn');
  }

  /**
   * A task actor ended. If natswarm broke, not the task, a second actor stops the container and says so; if that one breaks
   * too, the worker does it without an actor.
   */
  #exited(id: string, exit: Exit): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (exit.kind === 'error' && !entry.crashed) {
      entry.crashed = true;
      this.#start(entry, `agent: ${shortErrorText(exit.error)}`);
      if (entry.leaving) this.#stop(entry);
    } else if (entry.leaving) void this.#remove(entry);
    else if (exit.kind === 'error') void this.#fail(entry, `agent: ${shortErrorText(exit.error)}`);
  }

  /** Removes the container by force, however long that takes: only then the task has failed. */
  async #fail(entry: Entry, failure: string): Promise<void> {
    const { clock, wallNow, scope } = this.#ports;
    const { id } = entry.task;
    while (!(await this.#removeContainer(entry))) {
      if (scope.aborted) return;
      await pause(clock, failRetryMs, scope);
    }
    const end = { exit: undefined, stopped: false, failure };
    const status = endStatus(entry.status, end, wallNow());
    if (status !== undefined && !scope.aborted) this.#report(id, status);
  }

  #drop(entry: Entry): void {
    if (entry.leaving) return;
    entry.leaving = true;
    if (this.#actors.get(entry.task.id) === undefined) void this.#remove(entry);
    else this.#stop(entry);
  }

  async #remove(entry: Entry): Promise<void> {
    const { id } = entry.task;
    const gone = await this.#removeContainer(entry);
    if (this.#ports.scope.aborted) return;
    this.#entries.delete(id);
    if (entry.isWhole) this.#templates.release(entry.task);
    if (this.#entries.size === 0) this.#onEmpty();
    if (!gone) this.#ports.log('container_left', { task: id }, 'warn');
  }

  #removeContainer({ task, controller }: Entry): Promise<boolean> {
    return this.#insist('container_not_removed', { task: task.id }, (scope) =>
      this.#gate.run(() => controller.remove(scope), scope),
    );
  }

  /** Removes containers of tasks that are not assigned; runs once at a time, again when asked meanwhile. */
  async #sweep(): Promise<void> {
    this.#sweepAgain = true;
    if (this.#sweeping) return;
    this.#sweeping = true;
    while (this.#sweepAgain && !this.#ports.scope.aborted) {
      this.#sweepAgain = false;
      await this.#insist('orphans_not_removed', {}, (scope) => this.#removeOrphans(scope));
    }
    this.#sweeping = false;
  }

  async #removeOrphans(scope: AbortSignal): Promise<void> {
    const { executor, nodeId, log } = this.#ports;
    for (const id of await executor.taskIds(nodeId, scope)) {
      if (this.#entries.has(id)) continue;
      await this.#gate.run(() => executor.removeOrphan(id, scope), scope);
      log('orphan_removed', { task: id });
    }
  }

  /** One question to the engine for all that wait for it. */
  #engineReady(): Promise<void> {
    const { executor, scope } = this.#ports;
    this.#ready ??= executor.ready(scope).finally(() => {
      this.#ready = undefined;
    });
    return this.#ready;
  }

  /** Tries until it is done, waiting for the engine where it is away; false after too many failures of another kind. */
  async #insist(
    event: string,
    fields: object,
    run: (scope: AbortSignal) => Promise<void>,
  ): Promise<boolean> {
    const { clock, log } = this.#ports;
    // One of its own: many wait at once, and Node warns of more than ten listeners on one signal.
    const scope = AbortSignal.any([this.#ports.scope]);
    for (let tries = 0; tries < limits.containerRemoveTriesMax && !scope.aborted; ) {
      try {
        await run(scope);
        return true;
      } catch (error) {
        if (scope.aborted) return false;
        log(event, { ...fields, error: shortErrorText(error) });
        if (!isRetryable(error)) tries++;
        await pause(clock, removeRetryMs, scope);
        // it rejects with the scope only, which ends the loop
        await this.#engineReady().catch(() => undefined);
      }
    }
    return false;
  }
}
