import { errorText, Fault, faultCodes } from '../domain/errors.ts';
import { fieldsOf } from './fields.ts';
import type { WireFault } from './protocol.ts';

/** An error as a body tells it; one that is no `Fault` is the sender's own failure. */
export function wireFault(error: unknown): WireFault {
  if (!(error instanceof Fault))
    return { code: 'Internal', message: errorText(error), origin: 'manager' };
  const { code, message, origin } = error;
  return { code, message, origin };
}

/** Undefined for what is not of that form. A code that this version does not know is `Unknown`, as in gRPC. */
export function wireFaultFrom(value: unknown): WireFault | undefined {
  const { code: given, message, origin } = fieldsOf(value) ?? {};
  if (typeof given !== 'string' || typeof message !== 'string') return undefined;
  const code = faultCodes.find((known) => known === given) ?? 'Unknown';
  return { code, message, origin: origin === 'daemon' ? 'daemon' : 'manager' };
}
