import { fieldsOf, isCount } from '../../bus/fields.ts';
import type { Assign, LeaderTerm, HelloReply, StatusReply } from '../../bus/protocol.ts';
import { wireFaultFrom } from '../../bus/wire-fault.ts';

/**
 * Bodies that an agent takes from the bus. Only managers can send them, so the shape is checked as far as a leader of
 * another version could differ, not every field of every task. Undefined: not a body of that kind.
 */
export function asLeaderTerm(body: unknown): LeaderTerm | undefined {
  const fields = fieldsOf(body);
  const valid = fields !== undefined && isCount(fields['generation']) && isCount(fields['epoch']);
  return valid ? (body as LeaderTerm) : undefined;
}

export function asAssign(body: unknown): Assign | undefined {
  const fields = fieldsOf(body);
  const valid =
    fields !== undefined &&
    asLeaderTerm(body) !== undefined &&
    typeof fields['session'] === 'string' &&
    isCount(fields['seq']) &&
    typeof fields['full'] === 'boolean' &&
    typeof fields['more'] === 'boolean' &&
    ['templates', 'put', 'ended', 'remove'].every((name) => Array.isArray(fields[name]));
  return valid ? (body as Assign) : undefined;
}

export function asHelloReply(body: unknown): HelloReply | undefined {
  const fields = fieldsOf(body);
  if (fields?.['ok'] === false) return refusalFrom(fields['error']);
  const heartbeats = typeof fields?.['heartbeatMs'] === 'number' && fields['heartbeatMs'] > 0;
  return fields?.['ok'] === true && heartbeats && asLeaderTerm(body) !== undefined
    ? (body as HelloReply)
    : undefined;
}

export function asStatusReply(body: unknown): StatusReply | undefined {
  const { ok, error } = fieldsOf(body) ?? {};
  if (ok === true) return { ok };
  return ok === false ? refusalFrom(error) : undefined;
}

function refusalFrom(value: unknown): Extract<StatusReply, { readonly ok: false }> | undefined {
  const error = wireFaultFrom(value);
  return error === undefined ? undefined : { ok: false, error };
}
