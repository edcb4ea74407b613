import type { IncomingMessage } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { limits } from '../../domain/limits.ts';
import { aborted, pause, systemClock } from '../../supervisors/clock.ts';
import type { EngineClient } from '../engine.ts';
import type { Filters } from '../filters.ts';
import type { Sink } from '../sink.ts';
import { eventLine, nanosOf, type SwarmEvent } from './event.ts';
import { includesEvent, isInScope } from './filter.ts';
import type { Recorder } from './recorder.ts';

export interface EventStreamOptions {
  readonly engine: EngineClient;
  readonly recorder: Recorder;
  readonly sink: Sink;
  readonly filters: Filters;
  /** The `filters` parameter as it came, for the engine. */
  readonly filtersText: string;
  /** Where the engine's events are, e.g. `/v1.51/events`. */
  readonly path: string;
  /** Nanoseconds since 1970. */
  readonly since: bigint | undefined;
  readonly until: bigint | undefined;
  readonly wallNow: () => number;
  readonly signal: AbortSignal;
  /** Cuts off a client that does not read. */
  readonly cutOff: () => void;
}

const reconnectMsMin = 100;
const reconnectMsMax = 5_000;

/**
 * Docker's event stream: the engine's own events (scope `local`) and the swarm's, merged. The past is merged by time,
 * the rest comes as it happens. A lost engine takes nothing but its own events with it, until it is back.
 */
export class EventStream {
  readonly #options: EventStreamOptions;
  /** The engine's events up to here have been sent, nanoseconds. */
  #sent: bigint;
  /** Swarm events that came while the past was being sent, then those that wait for a slow client. */
  #queue: SwarmEvent[] = [];
  #isLive = false;
  #isDraining = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    this.#sent = BigInt(options.wallNow()) * 1_000_000n;
  }

  /** Resolves at the end of the time asked for, or at abort. Never rejects. */
  async run(): Promise<void> {
    const { recorder, filters, signal, since, until } = this.#options;
    const now = this.#sent;
    const past = since !== undefined || until !== undefined ? this.#past(since ?? 0n, now) : [];
    const unlisten = recorder.listen((event) => {
      if (includesEvent(filters, event)) this.#push(event);
    });
    try {
      await this.#sendPast(past, since ?? 0n, now);
      if (until !== undefined && until < now) return;
      this.#isLive = true;
      void this.#drain();
      await this.#live(
        until === undefined ? undefined : Number((until - now) / 1_000_000n),
        signal,
      );
      if (this.#queue.length > 0) void this.#flush();
    } finally {
      unlisten();
    }
  }

  #past(since: bigint, now: bigint): readonly SwarmEvent[] {
    const { recorder, filters, until } = this.#options;
    return recorder.between(since, until ?? now).filter((event) => includesEvent(filters, event));
  }

  async #sendPast(past: readonly SwarmEvent[], since: bigint, now: bigint): Promise<void> {
    const { until, filters, sink } = this.#options;
    const asked = this.#options.since !== undefined || until !== undefined;
    const end = until !== undefined && until < now ? until : now;
    const local = asked && isInScope(filters, 'local') ? await this.#enginePast(since, end) : [];
    const lines = past.map((event) => ({ at: nanosOf(event), line: eventLine(event) }));
    const merged = [...local, ...lines].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    for (const { line } of merged) await sink.write(line);
  }

  async #enginePast(since: bigint, until: bigint): Promise<readonly Line[]> {
    const { engine, signal } = this.#options;
    try {
      const answer = await engine.fetch({ method: 'GET', path: this.#path(since, until), signal });
      const text = (await engine.read(answer)).toString();
      return answer.statusCode === 200 ? linesOf(text) : [];
    } catch {
      // the engine is away: the swarm's own past is still told
      return [];
    }
  }

  #path(since: bigint, until?: bigint): string {
    const query = new URLSearchParams({ since: stamp(since) });
    if (until !== undefined) query.set('until', stamp(until));
    if (this.#options.filtersText !== '') query.set('filters', this.#options.filtersText);
    return `${this.#options.path}?${query.toString()}`;
  }

  async #live(forMs: number | undefined, signal: AbortSignal): Promise<void> {
    const { filters } = this.#options;
    const scope = new AbortController();
    const stop = (): void => scope.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const timer = forMs === undefined ? undefined : setTimeout(stop, Math.min(forMs, 2 ** 31 - 1));
    const ended = aborted(scope.signal);
    if (isInScope(filters, 'local')) await Promise.race([ended, this.#followEngine(scope.signal)]);
    await ended;
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }

  async #followEngine(signal: AbortSignal): Promise<void> {
    const { engine } = this.#options;
    for (
      let delayMs = reconnectMsMin;
      !signal.aborted;
      delayMs = Math.min(delayMs * 2, reconnectMsMax)
    ) {
      try {
        const path = this.#path(this.#sent + 1n);
        const answer = await engine.fetch({ method: 'GET', path, signal });
        if (answer.statusCode === 200) delayMs = reconnectMsMin;
        await this.#relay(answer);
      } catch {
        // away, or cut off: it is asked again from where it stopped
      }
      await pause(systemClock, delayMs, signal);
    }
  }

  async #relay(answer: IncomingMessage): Promise<void> {
    if (answer.statusCode !== 200) {
      answer.resume();
      return;
    }
    let rest = '';
    answer.setEncoding('utf8');
    for await (const chunk of answer as AsyncIterable<string>) {
      const text = rest + chunk;
      const end = text.lastIndexOf('\n') + 1;
      rest = text.slice(end);
      if (rest.length > limits.engineAnswerBytesMax) return;
      for (const { at, line } of linesOf(text.slice(0, end))) {
        if (at > this.#sent) this.#sent = at;
        await this.#options.sink.write(line);
      }
    }
  }

  #push(event: SwarmEvent): void {
    if (this.#queue.push(event) > limits.eventsQueuedMax) this.#options.cutOff();
    else if (this.#isLive) void this.#drain();
  }

  /** What comes in one turn of the event loop goes out together: many may listen, and each write is a system call. */
  async #drain(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    await nextTurn();
    while (this.#queue.length > 0) await this.#flush();
    this.#isDraining = false;
  }

  #flush(): Promise<void> | undefined {
    return this.#options.sink.write(this.#queue.splice(0).map(eventLine).join(''));
  }
}

interface Line {
  readonly at: bigint;
  /** With its newline. */
  readonly line: string;
}

function linesOf(text: string): readonly Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({ at: BigInt(/"timeNano":(\d+)}$/.exec(line)?.[1] ?? 0), line: `${line}\n` }));
}

const stamp = (nanos: bigint): string =>
  `${nanos / 1_000_000_000n}.${String(nanos % 1_000_000_000n).padStart(9, '0')}`;
