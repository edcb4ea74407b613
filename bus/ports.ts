/**
 * What natswarm needs of a message bus and of the replicated log. Implemented by `bus/nats/` and by the simulation
 * in `test/sim/`; `test/contract/` runs one suite against both.
 */

import type { LogSurvey } from '../domain/members/plan.ts';

export type Unsubscribe = () => void;

export interface BusMessage {
  readonly subject: string;
  /** Decoded body: msgpack from natswarm's own parts, JSON from others. */
  readonly body: unknown;
  /** Answers a request in the encoding that it came in; absent on plain messages. One that is too large becomes a refusal. */
  readonly reply?: (body: unknown) => void;
}

export interface Bus {
  /** Fire and forget; dropped while there is no connection. Throws `BusError` `too-large`. */
  publish(subject: string, body: unknown): void;
  /** Rejects with `BusError` after `timeoutMs`, without a responder, without a connection, or at once when it is too large. */
  request(subject: string, body: unknown, timeoutMs: number): Promise<unknown>;
  /** Outlives reconnects. */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: SubscribeOptions,
  ): Unsubscribe;
  /** Resolves when all that had come for this connection has been handled here. Rejects with `BusError` when it is lost. */
  flush(): Promise<void>;
  isConnected(): boolean;
  onConnection(listener: (connected: boolean) => void): Unsubscribe;
}

export interface SubscribeOptions {
  /** Name of a queue group. */
  readonly queue?: string;
  /** Asked about each message before it is read; one that is not admitted is dropped without an answer. */
  readonly admits?: (subject: string, bytes: number) => boolean;
  /** Larger bodies are refused unread. */
  readonly bytesMax?: number;
}

export class BusError extends Error {
  override readonly name = 'BusError';
  readonly code: 'timeout' | 'no-responder' | 'disconnected' | 'refused' | 'too-large';
  constructor(code: BusError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface LogRecord {
  readonly seq: number;
  readonly data: Uint8Array;
}

/**
 * The outcome of an append. `unknown` stands for timeout, refusal and disconnect alike: the record is at
 * `expectedLast + 1` or nowhere, and only a positive read proves which (docs/state-log.md).
 */
export type AppendOutcome =
  | { readonly kind: 'committed'; readonly seq: number }
  | { readonly kind: 'unknown'; readonly cause: string };

/** One totally ordered log. Sequences start at 1 and have no gaps. */
export interface StateLog {
  /** Appends iff the log's last sequence is `expectedLast`. Never throws. */
  append(expectedLast: number, data: Uint8Array): Promise<AppendOutcome>;
  /** Records from `from` on, at most `max`, in order. Fewer (or none) prove nothing about the rest. Rejects when unreachable. */
  read(from: number, max: number): Promise<readonly LogRecord[]>;
  /** The record at `seq` as the log's leader has it, undefined for none; any copy may answer `read`, a stale one too. Rejects when unreachable. */
  confirm(seq: number): Promise<LogRecord | undefined>;
  /** First and last sequence that the log reports; `last` is 0 for an empty new log. */
  bounds(): Promise<{ readonly first: number; readonly last: number }>;
  /** Records as they are committed; may skip some (the reader fills gaps with `read`). */
  tail(listener: (record: LogRecord) => void): Unsubscribe;
  /** Drops records up to and including `seq`. */
  purge(seq: number): Promise<void>;
}

/** The servers that keep the log together. Everything here rejects when they do not answer. */
export interface LogGroup {
  survey(): Promise<LogSurvey>;
  /** Whether the server that this manager is connected to is one of the group, up to date or not. */
  isMember(): Promise<boolean>;
  /** How many copies the log is to have; answered before anything has moved. */
  setReplicas(count: number): Promise<void>;
  /** The group goes on without this server (its `peer` in the survey), which is away. */
  forget(peer: string): Promise<void>;
  /** The server of this node, or of any but the one that leads now, is to lead the log. Rejects when it cannot. */
  handLead(to?: string): Promise<void>;
  /** Whether another manager's server listens for this one's at `route` (`host:port`). Never rejects. */
  answers(route: string): Promise<boolean>;
}

/** A manager's own durable copy: checkpoint plus the records applied since. */
export interface Journal {
  /** Checkpoint (if any) and all whole records after it, in order. Throws `JournalError` when damaged. */
  load(): Promise<{ readonly checkpoint?: Checkpoint; readonly records: readonly LogRecord[] }>;
  /** Buffered; durable after the next `flush`. */
  append(record: LogRecord): void;
  flush(): Promise<void>;
  /** Replaces all records up to `checkpoint.seq`; crash-safe. */
  checkpoint(checkpoint: Checkpoint): Promise<void>;
  close(): Promise<void>;
}
export interface Checkpoint {
  readonly seq: number;
  /** Hash of the record at `seq`: the chain goes on from it. */
  readonly hash: string;
  readonly data: Uint8Array;
}
export class JournalError extends Error {
  override readonly name = 'JournalError';
}
