import { errorText, Fault, faultCodes, faultReasons } from '../domain/errors.ts';
import { fieldsOf } from './fields.ts';
import type { WireFault } from './protocol.ts';

/** An error as a body tells it; one that is no `Fault` is the sender's own failure. */
export function wireFault(error: unknown): WireFault {
  if (!(error instanceof Fault))
    return { code: 'Internal', message: errorText(error), origin: 'manager' };
  const { code, message, origin, reason } = error;
  return { code, message, origin, ...(reason !== undefined && { reason }) };
}

/** Undefined for what is not of that form. A code that this version does not know is `Unknown`, as in gRPC. */
export function wireFaultFrom(value: unknown): WireFault | undefined {
  const { code: given, message, origin, reason: why } = fieldsOf(value) ?? {};
  if (typeof given !== 'string' || typeof message !== 'string') return undefined;
  const code = faultCodes.find((known) => known === given) ?? 'Unknown';
  const reason = faultReasons.find((known) => known === why);
  return {
    code,
    message,
    origin: origin === 'daemon' ? 'daemon' : 'manager',
    ...(reason !== undefined && { reason }),
  };
}

/** The fault as it was thrown where it comes from. */
export const faultOf = ({ code, message, origin, reason }: WireFault): Fault =>
  new Fault(code, message, origin, reason);
