/**
 * The one error type that crosses from decisions to clients.
 * `code` is a gRPC status name, because Swarm's clients see `rpc error: code = <code> desc = <text>`;
 * `origin: 'daemon'` marks texts that Docker's daemon makes itself, shown without that prefix (swarm-compat §2.2).
 */
export const faultCodes = [
  'InvalidArgument',
  'FailedPrecondition',
  'OutOfRange',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'Unauthenticated',
  'Unimplemented',
  'Unavailable',
  'Unknown',
  'Aborted',
  'Internal',
  'DeadlineExceeded',
  'ResourceExhausted',
] as const;
export type FaultCode = (typeof faultCodes)[number];

/** What a program decides by where the code is too coarse and the text is for people. */
export const faultReasons = ['no-leader', 'lost-leadership', 'no-container'] as const;
export type FaultReason = (typeof faultReasons)[number];

export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: FaultCode;
  readonly origin: 'manager' | 'daemon';
  readonly reason: FaultReason | undefined;

  constructor(
    code: FaultCode,
    message: string,
    origin: 'manager' | 'daemon' = 'manager',
    reason?: FaultReason,
  ) {
    super(message);
    this.code = code;
    this.origin = origin;
    this.reason = reason;
  }
}

/** A fault whose text comes from the daemon, without the gRPC wrapper. */
export const daemonFault = (code: FaultCode, message: string): Fault =>
  new Fault(code, message, 'daemon');

/** What was thrown, as a text for people. */
export const errorText = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export const noLeaderText =
  "The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.";
