import type { LogChunk } from './frames.ts';
import type { LogOptions } from './options.ts';

/** The engine's time of the last line of a stream, and how many of its lines had just that time. */
interface Last {
  readonly time: string;
  count: number;
}

/** Both streams are written by tasks of their own: lines can be in the log a little out of the order of their times. */
const disorderNanos = 1_000_000_000n;
const space = 0x20;
/** `2026-11-30T14:25:04.123456789Z` is the usual form; a zone takes five characters more. */
const timeLengthMin = 20;
const timeLengthMax = 35;

/**
 * How far the reading of a log has come, so that it can be taken up again elsewhere in time without a line that is
 * missing or there twice. It goes by the times that the engine gives to lines, which are always asked for, and are
 * taken off again where the client does not want them.
 */
export class LogPlace {
  readonly #asked: LogOptions;
  /** The container has a terminal: what comes is its bare output. */
  readonly #isTty: boolean;
  readonly #last = new Map<LogChunk['stream'], Last>();
  /** Which lines come again after an interruption, and until when by their times; undefined while none does. */
  #repeated: { readonly lasts: Map<LogChunk['stream'], Last>; readonly until: bigint } | undefined;
  #first: string | undefined;
  /** The node's time at which all lines of before were known to have come, ms. */
  #caughtUpAt: number | undefined;

  constructor(asked: LogOptions, isTty: boolean) {
    this.#asked = asked;
    this.#isTty = isTty;
  }

  /** What the engine is to be asked for now. Whatever comes next is taken for the answer to it. */
  begin(): LogOptions {
    const asked = { ...this.#asked, timestamps: true };
    if (this.#first === undefined) {
      if (this.#caughtUpAt === undefined) return asked;
      return {
        ...asked,
        tail: 'all',
        since: latest(asked.since, BigInt(this.#caughtUpAt) * 1_000_000n),
      };
    }
    const times = [...this.#last.values()].map(({ time }) => nanosOf(time));
    const newest = times.reduce((a, b) => (a > b ? a : b));
    const lasts = new Map([...this.#last].map(([stream, last]) => [stream, { ...last }]));
    this.#repeated = { lasts, until: newest + disorderNanos };
    return { ...asked, tail: 'all', since: latest(asked.since, newest - disorderNanos) };
  }

  /** The node has begun to read at `at`, by its own clock. */
  opened(at: number): void {
    if (this.#asked.tail === '0') this.#caughtUpAt ??= at;
  }

  /** There was nothing to read up to `at`, by the node's clock. */
  quiet(at: number): void {
    if (this.#first === undefined) this.#caughtUpAt = at;
  }

  /** The line as the client wants it; undefined for one that it has already. */
  take({ stream, data }: LogChunk): LogChunk | undefined {
    const time = timeOf(data);
    if (time === undefined) return { stream, data };
    if (this.#isRepeated(stream, time)) return undefined;
    this.#first ??= time;
    const last = this.#last.get(stream);
    if (last?.time === time) last.count += 1;
    else this.#last.set(stream, { time, count: 1 });
    return { stream, data: this.#asked.timestamps ? data : this.#bare(data, time.length + 1) };
  }

  #isRepeated(stream: LogChunk['stream'], text: string): boolean {
    if (this.#repeated === undefined) return false;
    const { lasts, until } = this.#repeated;
    const time = nanosOf(text);
    if (time > until) {
      this.#repeated = undefined;
      return false;
    }
    const last = lasts.get(stream);
    // a stream without a line so far: nothing of it was wanted before the first line of the other
    if (last === undefined) return time < nanosOf(this.#first ?? text);
    const order = time - nanosOf(last.time);
    if (order !== 0n || last.count === 0) return order < 0n;
    last.count -= 1;
    return true;
  }

  /**
   * Without the time. The engine cuts a terminal's long lines into pieces of 16 KiB and puts the time before each of
   * them; elsewhere every piece has a frame of its own.
   */
  #bare(data: Uint8Array, prefix: number): Uint8Array {
    const bare = data.subarray(prefix);
    if (!this.#isTty || bare.length <= pieceBytes) return bare;
    const pieces: Uint8Array[] = [];
    for (let rest = bare; ; ) {
      const next = rest.subarray(pieceBytes);
      const time = timeOf(next);
      if (time === undefined) return concat([...pieces, rest]);
      pieces.push(rest.subarray(0, pieceBytes));
      rest = next.subarray(time.length + 1);
    }
  }
}

const pieceBytes = 16_384;

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The time before a line; undefined where there is none. */
function timeOf(data: Uint8Array): string | undefined {
  const end = data.subarray(0, timeLengthMax + 1).indexOf(space);
  if (end < timeLengthMin || data[10] !== 0x54) return undefined;
  return String.fromCharCode(...data.subarray(0, end));
}

/** Of RFC 3339 with up to nine decimals, since 1970; 0 for anything else. */
export function nanosOf(time: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(time);
  const seconds = Date.parse(`${match?.[1]}${match?.[3]}`) / 1_000;
  if (match === null || Number.isNaN(seconds)) return 0n;
  return BigInt(seconds) * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** The later of what was asked for and `nanos`, as the engine takes it. */
function latest(since: string, nanos: bigint): string {
  const [, seconds = '0', decimals = ''] = /^\+?(\d+)(?:\.(\d{1,9}))?$/.exec(since) ?? [];
  const asked = BigInt(seconds) * 1_000_000_000n + BigInt(decimals.padEnd(9, '0'));
  const from = asked > nanos ? asked : nanos;
  return `${from / 1_000_000_000n}.${String(from % 1_000_000_000n).padStart(9, '0')}`;
}
