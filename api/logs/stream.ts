import type { NodeAway } from '../../actors/manager/task-logs.ts';
import { errorText, Fault } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { frame, type LogChunk } from '../../domain/logs/frames.ts';
import type { LogOptions } from '../../domain/logs/options.ts';
import type { Task } from '../../domain/model/objects.ts';
import type { Applied } from '../../domain/store/changes.ts';
import type { View } from '../../domain/store/view.ts';
import { taskStateRank } from '../../domain/task-state.ts';
import type { Swarm } from '../ports.ts';
import type { Readers } from '../readers.ts';
import type { Sink } from '../sink.ts';
import type { Turns } from '../turns.ts';
import { remark, withTaskDetails } from './line.ts';

export interface LogStreamOptions {
  readonly swarm: Pick<Swarm, 'taskLogs' | 'watch'>;
  readonly sink: Sink;
  readonly readers: Readers;
  readonly turns: Turns;
  readonly log: LogOptions;
  /** Whose logs: a service's tasks or one task. */
  readonly of: { readonly kind: 'service' | 'task'; readonly id: string };
  /** The containers have a terminal: its output is sent as it is, without frames. */
  readonly isTty: boolean;
  readonly wallNow: () => number;
  readonly signal: AbortSignal;
}

/**
 * Merges the logs of several tasks, in the order in which they come. What cannot be had is told at the end, in
 * Swarm's words. With `follow` the tasks that a service gets later are taken in too, and the stream ends when what
 * it follows is gone.
 */
export class LogStream {
  readonly #options: LogStreamOptions;
  readonly #seen = new Set<string>();
  readonly #waiting: { readonly task: Task; readonly log: LogOptions }[] = [];
  readonly #reasons = new Set<string>();
  /** Nodes that were told to be away and have sent nothing since. */
  readonly #away = new Set<string>();
  #reading = 0;
  #isGone = false;
  #finish: () => void = () => undefined;

  constructor(options: LogStreamOptions) {
    this.#options = options;
  }

  /** Resolves when all is sent, or at abort. Never rejects. */
  async run(view: View): Promise<void> {
    const { log, signal, swarm } = this.#options;
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    signal.addEventListener('abort', this.#finish, { once: true });
    const unwatch = log.follow ? swarm.watch((changes) => this.#onChanges(changes)) : undefined;
    for (const task of this.#tasksOf(view)) this.#add(task, log);
    this.#next();
    if (!signal.aborted) await finished;
    unwatch?.();
    if (!signal.aborted) await this.#tellMissing();
  }

  #tasksOf(view: View): readonly Task[] {
    const { kind, id } = this.#options.of;
    if (kind === 'service') return [...view.tasksOfService(id)];
    const task = view.task(id);
    this.#isGone = task === undefined || hasEnded(task);
    if (task?.nodeId === '') this.#reasons.add(`task ${id} has not been scheduled`);
    return task === undefined ? [] : [task];
  }

  #onChanges(changes: readonly Applied[]): void {
    const { kind, id } = this.#options.of;
    for (const change of changes) {
      if (change.kind === kind && change.id === id && change.after === undefined)
        this.#isGone = true;
      if (change.kind !== 'task' || change.after === undefined) continue;
      const task = change.after;
      if ((kind === 'task' ? task.id : task.serviceId) !== id) continue;
      // A new task's log is wanted whole, however little is wanted of the old ones.
      this.#add(task, { ...this.#options.log, tail: 'all' });
      if (kind === 'task' && hasEnded(task)) this.#isGone = true;
    }
    this.#next();
  }

  #add(task: Task, log: LogOptions): void {
    if (this.#seen.has(task.id) || !hasLog(task)) return;
    this.#seen.add(task.id);
    this.#waiting.push({ task, log });
  }

  #next(): void {
    const { follow } = this.#options.log;
    const most = follow ? limits.logTasksFollowedMax : limits.logTasksAtOnceMax;
    while (this.#reading < most) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#reading += 1;
      void this.#read(next.task, next.log);
    }
    if (this.#reading === 0 && (!follow || this.#isGone)) this.#finish();
  }

  async #read(task: Task, options: LogOptions): Promise<void> {
    const { readers, turns, signal } = this.#options;
    readers.logTasks += 1;
    try {
      await turns.next(signal);
      if (!signal.aborted) await this.#relay(task, options);
    } catch (error) {
      this.#note(task, error);
    }
    readers.logTasks -= 1;
    this.#reading -= 1;
    if (!signal.aborted) this.#next();
  }

  async #relay(task: Task, options: LogOptions): Promise<void> {
    const { swarm, sink, readers, signal } = this.#options;
    const share = (): number => readers.logTasks;
    for await (const item of swarm.taskLogs({ task, options, share, scope: signal })) {
      const data = this.#encode(item, task);
      const behind = data && sink.write(data);
      if (behind !== undefined) await behind;
    }
  }

  #encode(item: LogChunk | NodeAway, task: Task): Uint8Array | undefined {
    if ('away' in item) return this.#encodeAway(item, task);
    const { stream, data } = item;
    this.#away.delete(task.nodeId);
    const { log, isTty } = this.#options;
    if (!(stream === 'stdout' ? log.stdout : log.stderr)) return undefined;
    const line = log.details ? withTaskDetails(data, task, log.timestamps) : data;
    if (isTty) return line;
    return frame(stream === 'stdout' ? 1 : 2, line);
  }

  /** An error would end the client's reading, so it is a line among the others; one for all tasks of the node. */
  #encodeAway({ away }: NodeAway, task: Task): Uint8Array | undefined {
    if (this.#away.has(away)) return undefined;
    this.#away.add(away);
    const { log, isTty, wallNow } = this.#options;
    const text = `node ${away} is not available; its lines follow when it is back`;
    const line = remark(text, task, log, wallNow());
    return isTty ? line : frame(2, line);
  }

  #note(task: Task, error: unknown): void {
    const { code, reason } = error instanceof Fault ? error : {};
    // Its container is gone, so is its log: Swarm says nothing about those either.
    if (reason === 'no-container') return;
    const isAway = code === 'Unavailable';
    this.#reasons.add(
      isAway ? `node ${task.nodeId} is not available` : `task ${task.id}: ${errorText(error)}`,
    );
  }

  async #tellMissing(): Promise<void> {
    if (this.#reasons.size === 0) return;
    const { sink, isTty } = this.#options;
    const reasons = [...this.#reasons].join(', ');
    const text = Buffer.from(
      `Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream. some logs could not be retrieved for the following reasons: ${reasons}\n`,
    );
    await sink.write(isTty ? text : frame(3, text));
  }
}

const hasEnded = ({ status }: Task): boolean => taskStateRank[status.state] > taskStateRank.running;

/** There is, or was, a container that may have written something. */
const hasLog = ({ status, nodeId }: Task): boolean =>
  nodeId !== '' && (status.state === 'running' || (status.container?.id ?? '') !== '');
