import { abortedError, EngineError } from '../ports.ts';

/** The engine answered with an error. `message` is its own text. */
export class EngineReply extends EngineError {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message, status === 503 || (status >= 500 && isEngineEnding(message)));
    this.status = status;
  }
}

/** An engine that is shutting down, or whose containerd has gone, fails what it was doing with texts like these. */
const isEngineEnding = (message: string): boolean =>
  /shutting down|context canceled|transport is closing|error reading from server|: unavailable/i.test(
    message,
  );

/** Codes of Node's errors that mean that nobody answered, or no longer. */
const unreachable: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EAGAIN',
  'ENOENT',
  'EPIPE',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** Turns whatever a call to the engine failed with into an `EngineError`. */
export function engineError(cause: unknown, scope?: AbortSignal): EngineError {
  if (cause instanceof EngineError) return cause;
  if (scope?.aborted === true) return abortedError();
  const { code, message } = cause as NodeJS.ErrnoException;
  if (unreachable.has(code)) return new EngineError(`the engine is away: ${message}`, true);
  return new EngineError(cause instanceof Error ? message : String(cause), false);
}

/** The error that an answer of the engine stands for. The body is `{"message": …}`, or plain text from a proxy. */
export function replyError(status: number, body: string): EngineReply {
  let message = body.trim();
  try {
    const parsed = JSON.parse(body) as { readonly message?: unknown };
    if (typeof parsed.message === 'string') message = parsed.message;
  } catch {
    // not JSON: the text itself
  }
  return new EngineReply(status, message === '' ? `the engine answered ${status}` : message);
}

export const hasStatus = (error: unknown, status: number): boolean =>
  error instanceof EngineReply && error.status === status;

/** Only create says so; an absent container is `No such container`. */
export const isMissingImage = (error: unknown): error is EngineReply =>
  error instanceof EngineReply && error.status === 404 && /^no such image/i.test(error.message);
