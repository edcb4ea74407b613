import { errorText, Fault, type FaultCode } from '../domain/errors.ts';

/** An error that has an HTTP status of its own, outside of what Swarm's codes can say. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** swarm-compat §2.2. */
const statusOf: Readonly<Record<FaultCode, number>> = {
  InvalidArgument: 400,
  FailedPrecondition: 400,
  OutOfRange: 400,
  Unauthenticated: 401,
  PermissionDenied: 403,
  NotFound: 404,
  AlreadyExists: 409,
  Unimplemented: 501,
  Unavailable: 503,
  Unknown: 500,
  Aborted: 500,
  Internal: 500,
  DeadlineExceeded: 500,
  ResourceExhausted: 500,
};

/** What a client is told of an error. A fault of the manager keeps the gRPC wrapper that Docker's users grep for. */
export function describeError(error: unknown): {
  readonly status: number;
  readonly message: string;
} {
  if (error instanceof HttpError) return { status: error.status, message: error.message };
  if (!(error instanceof Fault)) return { status: 500, message: errorText(error) };
  const { code, message, origin } = error;
  const text = origin === 'manager' ? `rpc error: code = ${code} desc = ${message}` : message;
  return { status: statusOf[code], message: text };
}

export const pageNotFound = (): HttpError => new HttpError(404, 'page not found');

/** Docker can do it, this version of natswarm cannot yet. */
export const notYet = (what: string, hint = ''): HttpError =>
  new HttpError(501, `${what} not supported by this version of natswarm yet${hint}`);
