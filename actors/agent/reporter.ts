import { packedBytes } from '../../bus/codec.ts';
import type { Bus } from '../../bus/ports.ts';
import type { StatusReport } from '../../bus/protocol.ts';
import { subjects } from '../../bus/subjects.ts';
import { limits } from '../../domain/limits.ts';
import type { TaskStatus } from '../../domain/model/objects.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { Report } from '../../supervisors/report.ts';
import { backoffMs } from './backoff.ts';
import { asStatusReply } from './bodies.ts';
import type { StatusReporter } from './ports.ts';
import { shortErrorText } from './task-status.ts';

export interface ReporterPorts {
  readonly nodeId: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Report;
}

/** How long the leader has for the commit before the same report is sent again, ms. */
const ackLimitMs = 5_000;

/**
 * Brings statuses to the leader: the newest of each task, many in one request and one request at a time, again and
 * again until it is acknowledged. Outlives sessions and waits while there is none.
 */
export class Reporter implements StatusReporter {
  readonly #ports: ReporterPorts;
  /** The newest unacknowledged status of each task: bounded by the node's tasks. */
  readonly #pending = new Map<string, TaskStatus>();
  #hasSession = false;
  /** A request or a pause is under way. */
  #busy = false;
  #timer: number | undefined;
  #closed = false;
  #failures = 0;

  constructor(ports: ReporterPorts) {
    this.#ports = ports;
  }

  /** Tasks of which the leader has yet to acknowledge a status. */
  get pending(): number {
    return this.#pending.size;
  }

  report(taskId: string, status: TaskStatus): void {
    this.#pending.set(taskId, status);
    this.#wake();
  }

  /** Whether there is a session to report in. A new one has a leader that takes reports: no pause. */
  setSession(isOpen: boolean): void {
    if (this.#closed) return;
    this.#hasSession = isOpen;
    if (isOpen) this.#endPause();
    this.#wake();
  }

  #endPause(): void {
    this.#failures = 0;
    if (this.#timer === undefined) return;
    this.#ports.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#busy = false;
  }

  /** Sends nothing more. */
  close(): void {
    this.#closed = true;
    this.#hasSession = false;
    if (this.#timer !== undefined) this.#ports.clock.clearTimeout(this.#timer);
  }

  #wake(): void {
    if (this.#busy || !this.#hasSession || this.#pending.size === 0) return;
    this.#busy = true;
    // A turn later: what one message or one tick brings goes out as one report.
    void Promise.resolve().then(() => this.#send());
  }

  async #send(): Promise<void> {
    const batch = this.#batch();
    const outcome = await this.#request(batch);
    if (outcome === 'taken') {
      this.#failures = 0;
      for (const [taskId, status] of batch)
        if (this.#pending.get(taskId) === status) this.#pending.delete(taskId);
      this.#busy = false;
      this.#wake();
      return;
    }
    this.#failures++;
    if (this.#closed) return;
    this.#timer = this.#ports.clock.setTimeout(
      () => {
        this.#timer = undefined;
        this.#busy = false;
        this.#wake();
      },
      backoffMs(this.#failures, this.#ports.random()),
    );
  }

  /** Oldest first, up to what one message holds. */
  #batch(): readonly (readonly [string, TaskStatus])[] {
    const batch: (readonly [string, TaskStatus])[] = [];
    let bytes = 0;
    for (const entry of this.#pending) {
      bytes += packedBytes(entry);
      const full =
        batch.length >= limits.statusReportTasksMax || bytes > limits.statusReportBytesMax;
      if (full && batch.length > 0) break;
      batch.push(entry);
    }
    return batch;
  }

  async #request(batch: readonly (readonly [string, TaskStatus])[]): Promise<'taken' | 'again'> {
    const { bus, nodeId, log } = this.#ports;
    const report: StatusReport = {
      updates: batch.map(([taskId, status]) => ({ taskId, status })),
    };
    let error: unknown;
    try {
      const answer = await bus.request(subjects.agent(nodeId, 'status'), report, ackLimitMs);
      const reply = asStatusReply(answer);
      if (reply?.ok === true) return 'taken';
      error = reply === undefined ? 'unknown answer' : reply.error.message;
    } catch (thrown) {
      error = thrown;
    }
    log('status_not_taken', { tasks: batch.length, error: shortErrorText(error) });
    return 'again';
  }
}
