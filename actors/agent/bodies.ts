import type { Assign, Epoch, HelloReply, StatusReply, WireFault } from '../../bus/protocol.ts';

/**
 * Bodies that an agent takes from the bus. Only managers can send them, so the shape is checked as far as a leader of
 * another version could differ, not every field of every task. Undefined: not a body of that kind.
 */
type Fields = Readonly<Record<string, unknown>>;
const fieldsOf = (body: unknown): Fields | undefined =>
  typeof body === 'object' && body !== null ? (body as Fields) : undefined;
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

export function asEpoch(body: unknown): Epoch | undefined {
  const fields = fieldsOf(body);
  const valid = fields !== undefined && isCount(fields['generation']) && isCount(fields['epoch']);
  return valid ? (body as Epoch) : undefined;
}

export function asAssign(body: unknown): Assign | undefined {
  const fields = fieldsOf(body);
  const valid =
    fields !== undefined &&
    asEpoch(body) !== undefined &&
    typeof fields['session'] === 'string' &&
    isCount(fields['seq']) &&
    typeof fields['full'] === 'boolean' &&
    typeof fields['more'] === 'boolean' &&
    ['templates', 'put', 'ended', 'remove'].every((name) => Array.isArray(fields[name]));
  return valid ? (body as Assign) : undefined;
}

export function asHelloReply(body: unknown): HelloReply | undefined {
  const fields = fieldsOf(body);
  if (fields?.['ok'] === false && isFault(fields['error'])) return body as HelloReply;
  const beats = typeof fields?.['heartbeatMs'] === 'number' && fields['heartbeatMs'] > 0;
  return fields?.['ok'] === true && beats && asEpoch(body) !== undefined
    ? (body as HelloReply)
    : undefined;
}

export function asStatusReply(body: unknown): StatusReply | undefined {
  const fields = fieldsOf(body);
  const valid = fields?.['ok'] === true || (fields?.['ok'] === false && isFault(fields['error']));
  return valid ? (body as StatusReply) : undefined;
}

const isFault = (value: unknown): value is WireFault => {
  const fields = fieldsOf(value);
  return typeof fields?.['code'] === 'string' && typeof fields['message'] === 'string';
};
