import type { AppendOutcome, LogRecord, StateLog, Unsubscribe } from '../../../bus/ports.ts';
import type { Clock } from '../../../supervisors/clock.ts';
import { Replicas } from './replicas.ts';
import type { Servers } from './servers.ts';

/** What can go wrong between a manager and the log. Rates are shares of 1, drawn for each message. */
export interface LogFaults {
  /** One way, ms; drawn evenly. Above the append timeout a record may be written after its writer has given up. */
  delayMs: readonly [min: number, max: number];
  /** Requests that never arrive: nothing is written, nothing answered. */
  lostRequests: number;
  /** Answers that never arrive: an append is in the log all the same. */
  lostAnswers: number;
  /** Appends that are written and refused (seen of a stale stream leader). */
  falseRefusals: number;
  /** Records that the tail skips. */
  lostTails: number;
}

export const noFaults: LogFaults = {
  delayMs: [1, 1],
  lostRequests: 0,
  lostAnswers: 0,
  falseRefusals: 0,
  lostTails: 0,
};

const appendTimeoutMs = 1_500;
const requestTimeoutMs = 2_000;

/** The one log of a simulated cluster; managers hold clients of it. On servers, it is there for whom a majority is. */
export class SimLog {
  readonly clock: Clock;
  readonly random: () => number;
  /** May be changed at any time. */
  faults: LogFaults;
  #first: number;
  #records: Uint8Array[] = [];
  readonly #clients = new Set<SimLogClient>();
  readonly replicas: Replicas | undefined;
  /** Told of each record that is written. */
  onWrite: (seq: number) => void = () => undefined;

  constructor(
    clock: Clock,
    random: () => number,
    faults: LogFaults = noFaults,
    firstSeq = 1,
    servers?: Servers,
  ) {
    this.clock = clock;
    this.random = random;
    this.faults = faults;
    this.#first = firstSeq;
    if (servers === undefined) return;
    this.replicas = new Replicas(servers, clock, random, firstSeq - 1);
    servers.onChange(() => {
      for (const client of this.#clients) client.refresh();
    });
  }

  get first(): number {
    return this.#first;
  }
  get last(): number {
    return this.#first + this.#records.length - 1;
  }

  /** @param server that the client is attached to, where the log is on servers */
  client(server = ''): SimLogClient {
    const client = new SimLogClient(this, server);
    this.#clients.add(client);
    return client;
  }

  /** The compare-and-swap itself; undefined when `expectedLast` is not the end. */
  write(expectedLast: number, data: Uint8Array): number | undefined {
    if (expectedLast !== this.last) return undefined;
    this.#records.push(Uint8Array.from(data));
    const record = { seq: this.last, data: Uint8Array.from(data) };
    this.replicas?.wrote(record.seq);
    this.onWrite(record.seq);
    for (const client of this.#clients) client.receive(record);
    return record.seq;
  }

  slice(from: number, max: number): readonly LogRecord[] {
    const start = Math.max(from, this.#first);
    return this.#records
      .slice(start - this.#first, start - this.#first + max)
      .map((data, index) => ({ seq: start + index, data: Uint8Array.from(data) }));
  }

  purge(seq: number): void {
    const kept = Math.min(seq, this.last) + 1;
    if (kept <= this.#first) return;
    this.#records = this.#records.slice(kept - this.#first);
    this.#first = kept;
  }

  /** Replaces bytes of a record behind everybody's back, as a failing disk does. */
  damage(seq: number, data: Uint8Array): void {
    this.#records[seq - this.#first] = data;
  }

  /** Those that keep the log from now on have no more than this of it. */
  truncate(last: number): void {
    if (last < this.last) this.#records = this.#records.slice(0, last - this.#first + 1);
  }

  delay(): number {
    const [min, max] = this.faults.delayMs;
    return min + this.random() * (max - min);
  }
  draw(rate: number): boolean {
    return rate > 0 && this.random() < rate;
  }
}

/** A manager's way to the log. */
export class SimLogClient implements StateLog {
  readonly #log: SimLog;
  readonly #listeners = new Set<(record: LogRecord) => void>();
  /** Ends what is in flight when the log becomes unreachable. */
  readonly #inFlight = new Set<() => void>();
  readonly #server: string;
  #reachable = true;

  constructor(log: SimLog, server: string) {
    this.#log = log;
    this.#server = server;
  }

  /** Cuts this manager off the log, or brings it back. What was sent may still arrive. */
  setReachable(reachable: boolean): void {
    this.#reachable = reachable;
    this.refresh();
  }

  /** The connection is lost with the server that it leads to. */
  refresh(): void {
    if (!this.#isConnected()) for (const end of this.#inFlight) end();
  }

  #isConnected(): boolean {
    return this.#reachable && this.#log.replicas?.isUp(this.#server) !== false;
  }
  #reachesLeader(): boolean {
    return this.#log.replicas?.reachesLeader(this.#server) !== false;
  }

  append(expectedLast: number, data: Uint8Array): Promise<AppendOutcome> {
    const unknown = (cause: string): AppendOutcome => ({ kind: 'unknown', cause });
    return this.#exchange<AppendOutcome>(
      () => {
        const seq = this.#log.write(expectedLast, data);
        if (seq === undefined || this.#log.draw(this.#log.faults.falseRefusals))
          return unknown('wrong last sequence');
        return { kind: 'committed', seq };
      },
      appendTimeoutMs,
      unknown,
    );
  }

  read(from: number, max: number): Promise<readonly LogRecord[]> {
    const { replicas } = this.#log;
    const here = (): boolean => replicas?.isUp(this.#server) !== false;
    return this.#ask(() => {
      const end = replicas?.readEnd(this.#server) ?? Number.POSITIVE_INFINITY;
      return this.#log.slice(from, max).filter(({ seq }) => seq <= end);
    }, here);
  }

  confirm(seq: number): Promise<LogRecord | undefined> {
    return this.#ask(() => this.#log.slice(seq, 1).find((record) => record.seq === seq));
  }

  bounds(): Promise<{ readonly first: number; readonly last: number }> {
    return this.#ask(() => ({ first: this.#log.first, last: this.#log.last }));
  }

  purge(seq: number): Promise<void> {
    return this.#ask(() => this.#log.purge(seq));
  }

  tail(listener: (record: LogRecord) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  receive(record: LogRecord): void {
    if (this.#log.draw(this.#log.faults.lostTails)) return;
    this.#log.clock.setTimeout(() => {
      if (this.#isConnected() && this.#reachesLeader())
        for (const listener of this.#listeners) listener(record);
    }, this.#log.delay());
  }

  #ask<T>(serve: () => T, arrives?: () => boolean): Promise<T> {
    return this.#exchange<{ value: T } | { cause: string }>(
      () => ({ value: serve() }),
      requestTimeoutMs,
      (cause) => ({ cause }),
      arrives,
    ).then((answer) => {
      if ('cause' in answer) throw new Error(answer.cause);
      return answer.value;
    });
  }

  /**
   * One request and its answer; `fail` makes the outcome of whatever goes wrong on the way.
   * @param arrives whether who has to answer can be reached, asked on the way there and back
   */
  #exchange<T>(
    serve: () => T,
    timeoutMs: number,
    fail: (cause: string) => T,
    arrives: () => boolean = () => this.#reachesLeader(),
  ): Promise<T> {
    const { clock, faults } = this.#log;
    if (!this.#isConnected()) return Promise.resolve(fail('no connection'));
    return new Promise((resolve) => {
      const settle = (outcome: T): void => {
        clock.clearTimeout(timer);
        this.#inFlight.delete(lose);
        resolve(outcome);
      };
      const lose = (): void => settle(fail('connection lost'));
      this.#inFlight.add(lose);
      const timer = clock.setTimeout(() => settle(fail('timeout')), timeoutMs);
      if (this.#log.draw(faults.lostRequests)) return;
      clock.setTimeout(() => {
        if (!arrives()) return;
        const answer = serve();
        if (this.#log.draw(faults.lostAnswers)) return;
        clock.setTimeout(() => {
          if (this.#inFlight.has(lose) && arrives()) settle(answer);
        }, this.#log.delay());
      }, this.#log.delay());
    });
  }
}
