import { errors } from 'nats';
import { errorText } from '../../domain/errors.ts';
import { BusError } from '../ports.ts';

/** What went wrong in the client library, in the bus's terms. */
export function toBusError(error: unknown): BusError {
  if (error instanceof BusError) return error;
  const cause = error instanceof errors.RequestError ? (error.cause ?? error) : error;
  const message = errorText(cause);
  if (cause instanceof errors.TimeoutError) return new BusError('timeout', message);
  if (cause instanceof errors.NoRespondersError) return new BusError('no-responder', message);
  if (
    cause instanceof errors.PermissionViolationError ||
    cause instanceof errors.InvalidArgumentError
  )
    return new BusError('refused', message);
  return new BusError('disconnected', message);
}

/** The server child could not be started, or is not what it should be. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly code: 'port-taken' | 'in-use' | 'not-ready' | 'failed';
  constructor(code: ServerError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
