import { daemonFault } from '../domain/errors.ts';

/** A shell starts the server: its exit codes for a program that it cannot run, and for one that it cannot find. */
const notRunnable = /ended \(code 12[67]\): (?:sh: \d+: exec: )?(.*)/s;

/** What the user is told of an init that failed: what to do about it where that is known. */
export function asInitFault(error: unknown): unknown {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  const reason = notRunnable.exec(message ?? '')?.[1];
  if (reason !== undefined)
    return daemonFault(
      'Unknown',
      `cannot run nats-server: ${reason}; tell the daemon where it is with --nats-server`,
    );
  return code === 'port-taken' ? daemonFault('Unknown', message ?? '') : error;
}
