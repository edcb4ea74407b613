import { fromCallback } from 'xstate';
import { type LogAnswer, type LogAsk, logAskFrom } from '../../bus/log-bodies.ts';
import type { Bus } from '../../bus/ports.ts';
import { subjects } from '../../bus/subjects.ts';
import { Fault, type FaultCode } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../supervisors/clock.ts';
import { DynamicSupervisor } from '../../supervisors/dynamic.ts';
import type { ChildActor, Registry } from '../../supervisors/registry.ts';
import type { Report } from '../../supervisors/report.ts';
import { LogFeed } from './log-feed.ts';
import { logFeedMachine } from './log-feed.machine.ts';
import { NoContainer } from './ports.ts';
import type { Executor } from './ports.ts';
import { shortErrorText, isRetryable } from './task-status.ts';

export interface LogDeskPorts {
  readonly nodeId: string;
  readonly executor: Pick<Executor, 'logs'>;
  readonly clock: Clock;
  /** Wall clock, ms. */
  readonly wallNow: () => number;
  readonly log: Report;
  readonly registry?: Registry;
  /** Logs that are read at the same time; `limits.logFeedsMax` when absent. */
  readonly feedsMax?: number;
  /** Ends all reading. */
  readonly scope: AbortSignal;
}

/** A manager asks at least this often for a log that it still wants, with room for two questions that get lost, ms. */
const leaseMs = 30_000;

/**
 * Answers what managers ask about the logs of this node's tasks: an actor for each log that is read for one of them. It
 * ends with the log, when it is closed, or when nobody asks any more, and with it the engine's reading.
 */
export class LogDesk {
  readonly #ports: LogDeskPorts;
  readonly #feeds: DynamicSupervisor;

  constructor(ports: LogDeskPorts) {
    const { clock, log, nodeId, registry, scope } = ports;
    this.#ports = ports;
    this.#feeds = new DynamicSupervisor({
      clock,
      report: log,
      address: `agent/${nodeId}/log`,
      ...(registry === undefined ? {} : { registry }),
    });
    scope.addEventListener('abort', () => void this.#feeds.stopAll(), { once: true });
  }

  answer(body: unknown, reply: (answer: LogAnswer) => void): void {
    if (this.#ports.scope.aborted) return reply(refusal('Unavailable', 'the agent has ended'));
    const ask = logAskFrom(body);
    if (ask === undefined) return reply(refusal('InvalidArgument', 'not a question about a log'));
    if (ask.ask === 'open') return reply(this.#open(ask));
    const feed = this.#feeds.get(ask.stream);
    if (feed === undefined) return reply(refusal('NotFound', 'nothing is read for that stream'));
    if (ask.ask === 'next') feed.send({ type: 'next', ask: { ...ask, reply } });
    else feed.send({ type: ask.ask, reply });
  }

  #open(ask: Extract<LogAsk, { readonly ask: 'open' }>): LogAnswer {
    if (this.#feeds.get(ask.stream) !== undefined) return this.#opened();
    const { feedsMax = limits.logFeedsMax } = this.#ports;
    if (this.#feeds.size >= feedsMax)
      return refusal(
        'ResourceExhausted',
        `the node reads as many logs as it may (${feedsMax}); end some readers first`,
      );
    this.#feeds.start(ask.stream, logFeedMachine, (scope) => this.#feedOf(ask, scope));
    return this.#opened();
  }

  #feedOf({ taskId, options }: Extract<LogAsk, { readonly ask: 'open' }>, scope: AbortSignal) {
    const { executor, nodeId, wallNow } = this.#ports;
    const feed = new LogFeed(wallNow);
    const read = (onFirst: () => void): void => {
      const chunks = executor.logs({ id: taskId, nodeId }, options, scope);
      void feed.fill(chunks, faultOf, onFirst);
    };
    return { feed, read, leaseMs };
  }

  #opened(): LogAnswer {
    return { ok: true, at: this.#ports.wallNow(), frames: new Uint8Array(), end: false };
  }
}

/** The agent's part `logs`: the desk, on the bus. */
export const logDeskLogic = fromCallback<ChildActorEvent, LogDeskInput>(({ input }) => {
  const { desk, bus, nodeId } = input;
  return bus.subscribe(subjects.node(nodeId, 'logs'), ({ body, reply }) =>
    desk.answer(body, (answer) => reply?.(answer)),
  );
});
type ChildActorEvent = Parameters<ChildActor['send']>[0];
interface LogDeskInput {
  readonly desk: LogDesk;
  readonly bus: Bus;
  readonly nodeId: string;
}

const faultOf = (error: unknown): Fault =>
  new Fault(
    isRetryable(error) ? 'Unavailable' : 'Unknown',
    shortErrorText(error),
    'manager',
    error instanceof NoContainer ? 'no-container' : undefined,
  );

const refusal = (code: FaultCode, message: string): LogAnswer => ({
  ok: false,
  error: { code, message, origin: 'manager' },
});
