import { type LogAnswer, type LogAsk, logAnswerFrom } from '../../bus/log-bodies.ts';
import { BusError } from '../../bus/ports.ts';
import { faultOf } from '../../bus/wire-fault.ts';
import { Fault } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { chunksIn, type LogChunk } from '../../domain/logs/frames.ts';
import type { LogOptions } from '../../domain/logs/options.ts';
import { LogPlace } from '../../domain/logs/place.ts';
import type { Task } from '../../domain/model/objects.ts';
import type { Applied } from '../../domain/store/changes.ts';
import type { View } from '../../domain/store/view.ts';
import { type Clock, pause } from '../../supervisors/clock.ts';

export interface TaskLogsPorts {
  /** Asks the agent of a node. Rejects with `BusError` where no answer comes; it may also never settle. */
  readonly ask: (nodeId: string, ask: LogAsk, timeoutMs: number) => Promise<unknown>;
  /** The same without an answer; lost where nobody listens. */
  readonly tell: (nodeId: string, ask: LogAsk) => void;
  /** The state as it is known here, however old; undefined while no manager runs. */
  readonly view: () => View | undefined;
  readonly clock: Clock;
  /** 0 ≤ x < 1 */
  readonly random: () => number;
  readonly newId: () => string;
}

/** The node that holds a followed log does not answer; its lines follow when it is back. */
export interface NodeAway {
  readonly away: string;
}

export interface LogReading {
  readonly task: Task;
  readonly options: LogOptions;
  /** How many logs the same client reads now: they share what may be under way to it. */
  readonly share: () => number;
  readonly scope: AbortSignal;
}

/** An answer may be this late, ms. */
const lateMs = 3_000;
const openLimitMs = 5_000;
/** How long a node may fail to answer before that is told, ms: connections are made anew now and then. */
const patienceMs = 3_000;
const retryMinMs = 200;
const retryMaxMs = 4_000;
/** How often a node is told that a reader that is behind is still there, ms; a third of the node's lease. */
const keepEveryMs = 10_000;
/** All questions about the logs that one client reads, together, are at most one in so many ms. */
const quietAskMs = 20;
const holdMinMs = 2_000;

/**
 * The logs of tasks, wherever they run, pulled from the agents of their nodes by any manager. What a node does not
 * answer is asked again; a stream that the node does not know any more begins anew where it was.
 */
export class TaskLogs {
  readonly #ports: TaskLogsPorts;
  readonly #readers = new Map<string, Set<() => void>>();

  constructor(ports: TaskLogsPorts) {
    this.#ports = ports;
  }

  /** The changes of the state, by which readers see at once that a node is down or back. */
  noteChanges(changes: readonly Applied[]): void {
    for (const { kind, id } of changes)
      if (kind === 'node') for (const wake of this.#readers.get(id) ?? []) wake();
  }

  /**
   * Ends with the log, or at abort. Throws a `Fault`: `Unavailable` when the node does not answer. A followed log is
   * waited for instead, until its task is gone.
   */
  async *read(reading: LogReading): AsyncGenerator<LogChunk | NodeAway> {
    const reader = new Reader(this.#ports, reading, (wake) => this.#watch(reading, wake));
    try {
      yield* reader.run();
    } finally {
      reader.close();
    }
  }

  #watch({ task: { nodeId } }: LogReading, wake: () => void): () => void {
    const readers = this.#readers.get(nodeId) ?? new Set();
    this.#readers.set(nodeId, readers.add(wake));
    return () => {
      readers.delete(wake);
      if (readers.size === 0) this.#readers.delete(nodeId);
    };
  }
}

/** No answer, or none that could be used: to be asked again. */
class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

class Reader {
  readonly #ports: TaskLogsPorts;
  readonly #reading: LogReading;
  /** Calls on every change of the node, until the answer is called. */
  readonly #watch: (wake: () => void) => () => void;
  readonly #place: LogPlace;
  /** Under this name the node reads; '' where it is to begin anew. */
  #stream = '';
  #isOpen = false;
  #seq = 0;
  #failures = 0;
  #failingSince = 0;
  #isNamed = false;

  constructor(ports: TaskLogsPorts, reading: LogReading, watch: (wake: () => void) => () => void) {
    const { task, options } = reading;
    this.#ports = ports;
    this.#reading = reading;
    this.#watch = watch;
    this.#place = new LogPlace(options, task.spec.ContainerSpec.TTY === true);
  }

  async *run(): AsyncGenerator<LogChunk | NodeAway> {
    const { scope, task } = this.#reading;
    while (!scope.aborted) {
      try {
        const { frames, end } = await (this.#isOpen ? this.#next() : this.#open());
        this.#failures = 0;
        this.#isNamed = false;
        yield* this.#lines(frames);
        if (end) return;
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (scope.aborted || this.#isGone()) return;
        if (this.#isToBeNamed()) yield { away: task.nodeId };
        await this.#rest();
      }
    }
  }

  /** The node need not read any more. */
  close(): void {
    if (this.#stream !== '')
      this.#ports.tell(this.#reading.task.nodeId, { ask: 'close', stream: this.#stream });
    this.#stream = '';
    this.#isOpen = false;
  }

  async #open(): Promise<Lines> {
    if (this.#stream === '') this.#stream = this.#ports.newId();
    const { id: taskId } = this.#reading.task;
    const options = this.#place.begin();
    const ask = { ask: 'open', stream: this.#stream, taskId, options } as const;
    const answer = await this.#ask(ask, openLimitMs);
    this.#place.opened(answer.at);
    this.#isOpen = true;
    this.#seq = 0;
    return answer;
  }

  async #next(): Promise<Lines> {
    const { share, scope } = this.#reading;
    const bytes = within(
      limits.logAnswerBytesMin,
      Math.floor(limits.logReaderBytesMax / share()),
      limits.logAnswerBytesMax,
    );
    const holdMs = within(holdMinMs, quietAskMs * share(), limits.logHoldMsMax);
    const ask = { ask: 'next', stream: this.#stream, seq: this.#seq + 1, bytes, holdMs } as const;
    const { clock } = this.#ports;
    const asked = clock.now();
    const answer = await this.#ask(ask, holdMs + lateMs);
    this.#seq += 1;
    if (answer.frames.length > 0 || answer.end) return answer;
    this.#place.quiet(answer.at);
    // a node that does not wait for lines does not make its manager busy
    if (clock.now() - asked < holdMs / 2) await pause(clock, retryMinMs, scope);
    return answer;
  }

  /** While the reader of the lines is behind, the node is told that it is still there. */
  *#lines(frames: Uint8Array): Generator<LogChunk> {
    if (frames.length === 0) return;
    const chunks = chunksIn(frames);
    if (chunks === undefined) throw new Fault('Internal', 'the node sent something that is no log');
    const { clock, tell } = this.#ports;
    const { scope, task } = this.#reading;
    let timer = 0;
    const keep = (): void => {
      timer = clock.setTimeout(() => {
        if (scope.aborted) return;
        tell(task.nodeId, { ask: 'keep', stream: this.#stream });
        keep();
      }, keepEveryMs);
    };
    keep();
    try {
      for (const chunk of chunks) {
        const line = this.#place.take(chunk);
        if (line !== undefined) yield line;
      }
    } finally {
      clock.clearTimeout(timer);
    }
  }

  /** Throws `NoAnswer`, or the node's `Fault`. */
  async #ask(ask: LogAsk, timeoutMs: number): Promise<Lines> {
    const answer = logAnswerFrom(await this.#answerTo(ask, timeoutMs));
    if (answer === undefined) throw new Fault('Internal', 'the node sent no answer about a log');
    if (answer.ok) return answer;
    const { code, message } = answer.error;
    if (code !== 'NotFound' && code !== 'Unavailable') throw faultOf(answer.error);
    this.close();
    // a daemon that was started anew: it is there
    if (code === 'NotFound') this.#failures = 0;
    throw new NoAnswer(message);
  }

  /** Rejects with `NoAnswer`, at once when the node is known to be down. */
  #answerTo(ask: LogAsk, timeoutMs: number): Promise<unknown> {
    const { clock } = this.#ports;
    const { scope, task } = this.#reading;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => (): void => {
        clock.clearTimeout(timer);
        scope.removeEventListener('abort', giveUp);
        unwatch();
        settle();
      };
      const giveUp = end(() => reject(new NoAnswer('no answer in time')));
      const timer = clock.setTimeout(giveUp, timeoutMs);
      scope.addEventListener('abort', giveUp, { once: true });
      const unwatch = this.#watch(() => {
        if (this.#isDown()) giveUp();
      });
      if (scope.aborted || this.#isDown()) return giveUp();
      this.#ports.ask(task.nodeId, ask, timeoutMs).then(
        (answer) => end(() => resolve(answer))(),
        (error: unknown) => end(() => reject(asNoAnswer(error)))(),
      );
    });
  }

  #isDown(): boolean {
    const view = this.#ports.view();
    const node = view?.node(this.#reading.task.nodeId);
    return view !== undefined && (node === undefined || node.status.state === 'down');
  }
  #isGone(): boolean {
    const view = this.#ports.view();
    return view !== undefined && view.task(this.#reading.task.id) === undefined;
  }

  /** Whether the node has been away for so long that it is to be told, once. Throws where nobody waits for it. */
  #isToBeNamed(): boolean {
    const now = this.#ports.clock.now();
    if (this.#failures === 0) this.#failingSince = now;
    this.#failures += 1;
    if (this.#isNamed || (!this.#isDown() && now - this.#failingSince < patienceMs)) return false;
    const { nodeId } = this.#reading.task;
    if (!this.#reading.options.follow)
      throw new Fault('Unavailable', `node ${nodeId} is not available`);
    this.#isNamed = true;
    return true;
  }

  /** Longer with every failure; a change of the node ends it, for it may be back. */
  async #rest(): Promise<void> {
    const { clock, random } = this.#ports;
    const end = new AbortController();
    const { scope } = this.#reading;
    const wake = (): void => end.abort();
    const unwatch = this.#watch(() => {
      if (!this.#isDown()) wake();
    });
    scope.addEventListener('abort', wake, { once: true });
    const ms = Math.min(retryMaxMs, retryMinMs * 2 ** (this.#failures - 1));
    await pause(clock, ms * (0.5 + random() / 2), end.signal);
    scope.removeEventListener('abort', wake);
    unwatch();
  }
}

type Lines = Extract<LogAnswer, { readonly ok: true }>;

const within = (least: number, value: number, most: number): number =>
  Math.max(least, Math.min(value, most));

const asNoAnswer = (error: unknown): unknown =>
  error instanceof BusError ? new NoAnswer(error.message) : error;
