import { headers, type Msg, type MsgHdrs } from 'nats';
import { errorText } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import {
  type AppendOutcome,
  BusError,
  type LogRecord,
  type StateLog,
  type Unsubscribe,
} from '../ports.ts';
import type { Link } from './link.ts';
import { readBatch } from './log-reader.ts';
import { Stall } from './append-stall.ts';

/** Names are neutral: JetStream keeps them readable on the disk. */
export const logNames = { stream: 'log', subject: 'log.append', tail: 'log.tail' } as const;

/**
 * Longer than a commit takes while JetStream is well; afterwards the caller finds out by reading and tries again. What was
 * on its way to a lost leader is never answered, so this is a part of every failover. Large records take their time.
 */
const appendTimeoutMs = (bytes: number): number => 400 + bytes / 2_048;
const requestTimeoutMs = 2_000;
/** Short: whoever asked a leader that is gone is to ask the next one soon. */
const boundsTimeoutMs = 500;

export interface NatsLogOptions {
  /** Of the account `log`; see `OwnUsers`. */
  readonly link: Link;
  /** Told of records of the tail that make no sense. */
  readonly onError: (error: Error) => void;
}

type StreamConfig = Readonly<Record<string, unknown>>;

/** Settings of the stream; the reason of each is in docs/state-log.md. */
export function streamConfig(firstSeq: number, replicas = 1): StreamConfig {
  return {
    name: logNames.stream,
    subjects: [logNames.subject],
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    max_msgs: -1,
    max_bytes: -1,
    max_msgs_per_subject: -1,
    max_msg_size: -1,
    max_age: 0,
    max_consumers: -1,
    num_replicas: replicas,
    compression: 'none',
    // Nanoseconds: 100 ms, the smallest. Nothing is ever sent that it could apply to.
    duplicate_window: 100_000_000,
    allow_direct: true,
    deny_delete: true,
    deny_purge: false,
    allow_rollup_hdrs: false,
    republish: { src: logNames.subject, dest: logNames.tail },
    ...(firstSeq > 1 ? { first_seq: firstSeq } : {}),
  };
}

/** The log, or JetStream on its way to it, is not as it must be; nothing may be written to it. */
export class LogError extends Error {
  override readonly name = 'LogError';
}

/** The state log in one JetStream stream. */
export class NatsLog implements StateLog {
  readonly #link: Link;
  readonly #stall = new Stall(() => performance.now());
  readonly #onError: (error: Error) => void;

  constructor(options: NatsLogOptions) {
    this.#link = options.link;
    this.#onError = options.onError;
  }

  /**
   * Makes the stream unless it is there; true when it was made. Its first record gets `firstSeq`. A stream that is there
   * keeps its replicas. Throws `LogError` for a stream with other settings, `BusError` without connection or answer, and
   * in a cluster without a leader.
   */
  async createIfMissing(firstSeq = 1, replicas = 1): Promise<boolean> {
    const found = await this.#api<StreamInfo>('STREAM.INFO');
    if (found.error === undefined) {
      requireSettings(found.config);
      return false;
    }
    if (found.error.err_code !== streamNotFound) throw apiError('STREAM.INFO', found.error);
    const { error } = await this.#api('STREAM.CREATE', streamConfig(firstSeq, replicas));
    if (error !== undefined) throw apiError('STREAM.CREATE', error);
    return true;
  }

  /**
   * Asks for another number of replicas. JetStream answers before it has moved anything: `clusterHealth` tells when it is
   * done. Nothing is asked when the stream has, or is on its way to, that number. Throws as `createIfMissing`.
   */
  async setReplicas(replicas: number): Promise<void> {
    const { error, config } = await this.#api<StreamInfo>('STREAM.INFO');
    if (error !== undefined) throw apiError('STREAM.INFO', error);
    if (config?.['num_replicas'] === replicas) return;
    const update = await this.#api('STREAM.UPDATE', { ...config, num_replicas: replicas });
    if (update.error !== undefined) throw apiError('STREAM.UPDATE', update.error);
  }

  /** Since when the log has taken and told nothing, while somebody asks it to, ms; 0 while all is well. */
  stalledForMs(): number {
    return this.#stall.forMs();
  }

  append(expectedLast: number, data: Uint8Array): Promise<AppendOutcome> {
    return this.#stall.watch(this.#append(expectedLast, data), ({ kind }) => kind === 'committed');
  }

  async #append(expectedLast: number, data: Uint8Array): Promise<AppendOutcome> {
    try {
      const message = await this.#link.request(
        logNames.subject,
        data,
        appendTimeoutMs(data.length),
        expectLast(expectedLast),
      );
      return outcomeOf(message, expectedLast);
    } catch (error) {
      return { kind: 'unknown', cause: errorText(error) };
    }
  }

  read(from: number, max: number): Promise<readonly LogRecord[]> {
    return readBatch(this.#link, {
      stream: logNames.stream,
      from,
      recordsMax: max,
      bytesMax: limits.logReadBytesMax,
      timeoutMs: requestTimeoutMs,
    });
  }

  /** JetStream sends this question to the stream's leader, unlike the direct gets of `read`. */
  async confirm(seq: number): Promise<LogRecord | undefined> {
    const { error, message } = await this.#api<StoredMessage>('STREAM.MSG.GET', { seq });
    if (error?.err_code === messageNotFound) return undefined;
    if (error !== undefined) throw apiError('STREAM.MSG.GET', error);
    if (message?.seq !== seq) return undefined;
    return { seq, data: Uint8Array.from(Buffer.from(message.data ?? '', 'base64')) };
  }

  /** Throws `LogError` when the stream has holes: nats-server does not see its own damage. */
  async bounds(): Promise<{ readonly first: number; readonly last: number }> {
    const { error, state } = await this.#stall.watch(
      this.#api<StreamInfo>('STREAM.INFO', undefined, boundsTimeoutMs),
      (answer) => answer.error === undefined,
    );
    if (error !== undefined) throw apiError('STREAM.INFO', error);
    if (state === undefined) throw new LogError('JetStream tells no state of the log');
    const { messages, first_seq, last_seq, num_deleted = 0 } = state;
    // An emptied stream keeps its last sequence.
    if (messages === 0) return { first: last_seq + 1, last: last_seq };
    if (messages !== last_seq - first_seq + 1 || num_deleted !== 0)
      throw new LogError(
        `the log is damaged: ${messages} records between ${first_seq} and ${last_seq}`,
      );
    return { first: first_seq, last: last_seq };
  }

  tail(listener: (record: LogRecord) => void): Unsubscribe {
    return this.#link.subscribe(logNames.tail, (error, message) => {
      try {
        if (error !== null) throw error;
        // Copied, as in `readBatch`.
        listener({ seq: sequenceOf(message), data: Uint8Array.from(message.data) });
      } catch (caught) {
        this.#onError(caught as Error);
      }
    });
  }

  async purge(seq: number): Promise<void> {
    const { first, last } = await this.bounds();
    if (seq < first) return;
    // JetStream keeps the sequence named here. One above the end would move the end itself.
    const { error } = await this.#api('STREAM.PURGE', { seq: Math.min(seq, last) + 1 });
    if (error !== undefined) throw apiError('STREAM.PURGE', error);
  }

  async #api<T extends object>(
    verb: string,
    body?: object,
    timeoutMs = requestTimeoutMs,
  ): Promise<T & ApiAnswer> {
    const data = body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body));
    const subject = `$JS.API.${verb}.${logNames.stream}`;
    return (await this.#link.request(subject, data, timeoutMs)).json();
  }
}

interface ApiError {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}
interface ApiAnswer {
  readonly error?: ApiError;
}
interface StreamInfo {
  readonly config?: StreamConfig;
  readonly state?: {
    readonly messages: number;
    readonly first_seq: number;
    readonly last_seq: number;
    readonly num_deleted?: number;
  };
}

interface StoredMessage {
  /** `data`: base64; absent in an empty one. */
  readonly message?: { readonly seq: number; readonly data?: string };
}

/** JSStreamNotFoundErr, JSNoMessageFoundErr. */
const streamNotFound = 10059;
const messageNotFound = 10037;

/** JSClusterNoPeersErr, JSClusterNotAvailErr, JSClusterNotLeaderErr, JSStreamOfflineErr: servers that have not found a leader. */
const passing: ReadonlySet<number> = new Set([10_005, 10_008, 10_009, 10_118]);

/** What passes by itself is no fault of the log. */
function apiError(verb: string, { err_code, description }: ApiError): LogError | BusError {
  const message = `JetStream refused ${verb}: ${description} (${err_code})`;
  return passing.has(err_code) ? new BusError('no-responder', message) : new LogError(message);
}

/**
 * The compare-and-swap. `Nats-Msg-Id` is not sent, since deduplication comes before the check and acknowledges what was
 * never written; `Nats-Expected-Last-Msg-Id` can break all replicas of a stream for good.
 */
function expectLast(seq: number): MsgHdrs {
  const header = headers();
  header.set('Nats-Expected-Last-Sequence', String(seq));
  return header;
}

/** Only an acknowledgement of the one sequence that it can have got counts. */
function outcomeOf(message: Msg, expectedLast: number): AppendOutcome {
  const ack = message.json<{
    readonly stream?: string;
    readonly seq?: number;
    readonly duplicate?: boolean;
    readonly error?: ApiError;
  }>();
  if (ack.error !== undefined) return { kind: 'unknown', cause: ack.error.description };
  if (ack.stream === logNames.stream && ack.seq === expectedLast + 1 && ack.duplicate !== true)
    return { kind: 'committed', seq: ack.seq };
  return { kind: 'unknown', cause: `acknowledged as ${ack.seq ?? 'nothing'}` };
}

/** What matters for safety; a stream with other settings was made by somebody else. */
function requireSettings(config: StreamInfo['config']): void {
  const wanted = streamConfig(1);
  for (const name of settingsThatMatter) {
    const found = JSON.stringify(config?.[name] ?? false);
    if (found !== JSON.stringify(wanted[name] ?? false))
      throw new LogError(`the stream of the log has ${name} ${found}`);
  }
}
const settingsThatMatter = [
  'subjects',
  'storage',
  'retention',
  'discard',
  'max_msgs',
  'max_bytes',
  'max_msgs_per_subject',
  'max_age',
  'allow_direct',
  'deny_delete',
  'allow_rollup_hdrs',
  'allow_atomic',
  'allow_msg_ttl',
] as const;

function sequenceOf(message: Msg): number {
  const seq = Number(message.headers?.get('Nats-Sequence'));
  if (!Number.isSafeInteger(seq) || seq < 1) throw new LogError('a record without sequence');
  return seq;
}
