import { rooms } from '../domain/disk-room.ts';
import { limits } from '../domain/limits.ts';
import { type DiskMark, isStart, type Start, startsKept } from '../domain/members/starts.ts';
import { fieldsOf, isCount } from './fields.ts';
import { wireFaultFrom } from './wire-fault.ts';
import type {
  Abdication,
  HeartbeatReply,
  PreVote,
  LeaderTerm,
  Excuse,
  ForwardedCommand,
  ForwardReply,
  IndexReply,
  LeaderHeartbeat,
  MembershipNotice,
  StartAnswer,
  StartTold,
} from './protocol.ts';

/**
 * What managers send one another and their nodes, checked: a certificate lets its holder write to these subjects, not write anything
 * into them. Each answers undefined for a body that is not of its form.
 */
const isShortText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= limits.statusTextLengthMax;

/** Generation, epoch and the manager that they are about. */
function termFrom(body: unknown): (LeaderTerm & { readonly nodeId: string }) | undefined {
  const { generation, epoch, nodeId } = fieldsOf(body) ?? {};
  return isCount(generation) && isCount(epoch) && isShortText(nodeId) && nodeId !== ''
    ? { generation, epoch, nodeId }
    : undefined;
}

export function leaderHeartbeatFrom(body: unknown): LeaderHeartbeat | undefined {
  const term = termFrom(body);
  const { index, kept } = fieldsOf(body) ?? {};
  if (term === undefined || !isCount(index)) return undefined;
  return isKept(kept) ? { ...term, index, kept } : { ...term, index };
}

const isKept = (value: unknown): value is Readonly<Record<string, number>> => {
  const kept = Object.values(fieldsOf(value) ?? { none: undefined });
  return kept.length <= limits.managersKnownMax && kept.every(isCount);
};

const digest = /^(?:[0-9a-f]{64})?$/;

function startFrom(value: unknown): Start | undefined {
  const { number, id } = fieldsOf(value) ?? {};
  return isStart({ number, id }) ? { number: number as number, id: String(id) } : undefined;
}

function markFrom(value: unknown): DiskMark | undefined {
  const start = startFrom(value);
  const { kept, generation } = fieldsOf(value) ?? {};
  if (start === undefined || !isCount(kept)) return undefined;
  return { ...start, kept, ...(isCount(generation) && { generation }) };
}

/** A manager that is about to start its server, in JSON over HTTPS. */
export function startToldFrom(body: unknown): StartTold | undefined {
  const { generation, fresh, managers, hash, kept, starts, seen } = fieldsOf(body) ?? {};
  if (!isCount(generation) || !isCount(managers) || typeof fresh !== 'boolean') return undefined;
  if (typeof hash !== 'string' || !digest.test(hash)) return undefined;
  if (!Array.isArray(starts) || starts.length > startsKept) return undefined;
  const counted = starts.map(startFrom);
  if (!counted.every((start) => start !== undefined)) return undefined;
  const mark = markFrom(seen);
  return {
    generation,
    fresh,
    managers,
    hash,
    starts: counted,
    ...(isCount(kept) && { kept }),
    ...(mark !== undefined && { seen: mark }),
  };
}

export function startAnswerFrom(body: unknown): StartAnswer | undefined {
  const { seen, managers, older, log, ending } = fieldsOf(body) ?? {};
  if (!isCount(seen) || !isCount(managers)) return undefined;
  return {
    seen,
    managers,
    ...(isShortText(older) && { older }),
    ...((log === true || isShortText(log)) && { log }),
    ...(ending === true && { ending }),
  };
}

export const preVoteFrom = (body: unknown): PreVote | undefined => termFrom(body);
export const abdicationFrom = (body: unknown): Abdication | undefined => termFrom(body);

export function excuseFrom(body: unknown): Excuse | undefined {
  const { generation, except } = fieldsOf(body) ?? {};
  return isCount(generation) && isShortText(except) ? { generation, except } : undefined;
}

export function heartbeatReplyFrom(body: unknown): HeartbeatReply | undefined {
  const { ok, epoch, kept, room: told } = fieldsOf(body) ?? {};
  const room = rooms.find((known) => known === told);
  return typeof ok === 'boolean' && isCount(epoch) && isCount(kept)
    ? { ok, epoch, kept, ...(room !== undefined && { room }) }
    : undefined;
}

/** Whether the manager that was canvassed hears no leader. */
export function silenceFrom(body: unknown): boolean | undefined {
  const silent = fieldsOf(body)?.['silent'];
  return typeof silent === 'boolean' ? silent : undefined;
}

/** Where the managers are, as nodes keep it. */
export const isManagerList = (value: unknown): value is MembershipNotice['managers'] =>
  Array.isArray(value) &&
  value.length <= limits.managersMax &&
  value.every((manager) =>
    ['nodeId', 'addr', 'bus'].every((name) => isShortText(fieldsOf(manager)?.[name])),
  );

export function membershipFrom(body: unknown): MembershipNotice | undefined {
  const { generation, epoch, roots, managers, renew, issuer, role } = fieldsOf(body) ?? {};
  const wellFormed =
    isCount(generation) &&
    isCount(epoch) &&
    typeof roots === 'string' &&
    roots.length <= limits.rootsTextMax &&
    typeof renew === 'boolean' &&
    (issuer === undefined ||
      ['subject', 'publicKey'].every((name) => typeof fieldsOf(issuer)?.[name] === 'string')) &&
    (role === 'manager' || role === 'worker') &&
    isManagerList(managers);
  return wellFormed ? (body as unknown as MembershipNotice) : undefined;
}

export function forwardedCommandFrom(body: unknown): ForwardedCommand | undefined {
  const { generation, epoch, id, name, body: given } = fieldsOf(body) ?? {};
  return isCount(generation) && isCount(epoch) && isShortText(id) && id !== '' && isShortText(name)
    ? { generation, epoch, id, name, body: given }
    : undefined;
}

export function forwardReplyFrom(body: unknown): ForwardReply | undefined {
  const { ok, leading, index, error, result } = fieldsOf(body) ?? {};
  if (ok === true) return isCount(index) ? { ok, index, result } : undefined;
  if (leading === false) return { ok: false, leading };
  const fault = wireFaultFrom(error);
  return fault === undefined ? undefined : { ok: false, error: fault };
}

export function indexReplyFrom(body: unknown): IndexReply | undefined {
  const { ok, leading, index } = fieldsOf(body) ?? {};
  if (ok === true) return isCount(index) ? { ok, index } : undefined;
  return leading === false ? { ok: false, leading } : undefined;
}
