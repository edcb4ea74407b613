import { limits } from '../domain/limits.ts';
import type { LogOptions } from '../domain/logs/options.ts';
import { printableText } from '../domain/printable.ts';
import { fieldsOf } from './fields.ts';
import type { WireFault } from './protocol.ts';
import { wireFaultFrom } from './wire-fault.ts';

/**
 * What a manager asks a node's agent about the log of one of the node's tasks (docs/bus.md, logs of tasks). The log is
 * pulled: one question, one answer. So a reader that is slow, or gone, holds back exactly the reading for it.
 */
export type LogAsk =
  /** Begins to read. Asked again, it changes nothing. */
  | {
      readonly ask: 'open';
      readonly stream: string;
      readonly taskId: string;
      readonly options: LogOptions;
    }
  /**
   * The lines behind those of answer `seq` - 1. Where there are none the answer waits for them, `holdMs` at most. Asked
   * again with the same number, it is answered with the same lines.
   */
  | {
      readonly ask: 'next';
      readonly stream: string;
      readonly seq: number;
      readonly bytes: number;
      readonly holdMs: number;
    }
  /** The reader is behind, and still there. */
  | { readonly ask: 'keep'; readonly stream: string }
  | { readonly ask: 'close'; readonly stream: string };

export type LogAnswer =
  /** `frames`: whole frames as in Docker's multiplexed streams; `at`: the node's wall clock, ms; `end`: nothing follows. */
  | {
      readonly ok: true;
      readonly at: number;
      readonly frames: Uint8Array;
      readonly end: boolean;
    }
  /** `NotFound`: the node does not read for this stream. `Unavailable`: its engine is away. */
  | { readonly ok: false; readonly error: WireFault };

const isName = (value: unknown): value is string =>
  typeof value === 'string' && /^[a-z0-9]{1,64}$/i.test(value);

const isWithin = (value: unknown, least: number, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;

/** Undefined for a body of another form. */
export function logAskFrom(body: unknown): LogAsk | undefined {
  const { ask, stream, taskId, options, seq, bytes, holdMs } = fieldsOf(body) ?? {};
  if (!isName(stream)) return undefined;
  switch (ask) {
    case 'open': {
      const checked = optionsFrom(options);
      return isName(taskId) && checked !== undefined
        ? { ask, stream, taskId, options: checked }
        : undefined;
    }
    case 'next':
      return isWithin(seq, 1, Number.MAX_SAFE_INTEGER) &&
        isWithin(bytes, 1, limits.logAnswerBytesMax) &&
        isWithin(holdMs, 0, limits.logHoldMsMax)
        ? { ask, stream, seq, bytes, holdMs }
        : undefined;
    case 'keep':
    case 'close':
      return { ask, stream };
    default:
      return undefined;
  }
}

function optionsFrom(value: unknown): LogOptions | undefined {
  const fields = fieldsOf(value) ?? {};
  const flag = (name: string): boolean => fields[name] === true;
  const { since, tail } = fields;
  if (typeof since !== 'string' || !/^(?:[+-]?\d{1,20}(?:\.\d{1,9})?)?$/.test(since))
    return undefined;
  if (typeof tail !== 'string' || !/^(?:all|\d{1,16})$/.test(tail)) return undefined;
  return {
    stdout: flag('stdout'),
    stderr: flag('stderr'),
    follow: flag('follow'),
    timestamps: flag('timestamps'),
    details: flag('details'),
    since,
    tail,
  };
}

/** What an agent answers, which may send anything. Undefined for a body of another form. */
export function logAnswerFrom(body: unknown): LogAnswer | undefined {
  const { ok, at, frames, end, error } = fieldsOf(body) ?? {};
  if (ok === true)
    return isWithin(at, 0, Number.MAX_SAFE_INTEGER) &&
      frames instanceof Uint8Array &&
      frames.length <= limits.logAnswerBytesMax + limits.logFrameBytesMax &&
      typeof end === 'boolean'
      ? { ok, at, frames, end }
      : undefined;
  const fault = wireFaultFrom(error);
  if (ok !== false || fault === undefined) return undefined;
  const message = printableText(fault.message.slice(0, limits.statusTextLengthMax));
  return { ok, error: { ...fault, message, origin: 'manager' } };
}
