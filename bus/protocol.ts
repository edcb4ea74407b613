import type { EngineTrouble } from '../domain/assign/engine-status.ts';
import type { Issuer } from '../domain/ca/ports.ts';
import type { Membership } from '../domain/ca/membership.ts';
import type { AssignmentPart } from '../domain/assign/outbox.ts';
import type { NodeDescription, TaskStatus } from '../domain/model/objects.ts';
import type { NodeRole } from '../domain/model/spec.ts';
import type { Room } from '../domain/disk-room.ts';
import type { FaultCode, FaultReason } from '../domain/errors.ts';
import type { DiskMark, OwnDisk } from '../domain/members/starts.ts';

/** Bodies of the messages between leader, managers and agents, version 1. */
export interface LeaderTerm {
  readonly generation: number;
  readonly epoch: number;
}

export interface Hello {
  /** Why the node's engine is away; absent while it answers. */
  readonly engine?: EngineTrouble;
  readonly description: NodeDescription;
  /** Session id drawn by the agent; assignments carry it, so late ones of an older session are told apart. */
  readonly session: string;
  /** Keys of templates that it got in the log's present generation and still has: they need not be sent again. */
  readonly has?: { readonly generation: number; readonly templates: readonly string[] };
  /** Version of the bodies that the agent writes (`wireFormat`), and the highest feature level that it can. */
  readonly wire?: number;
  readonly featureLevel?: number;
}
export type HelloReply =
  | (LeaderTerm & { readonly ok: true; readonly heartbeatMs: number })
  | { readonly ok: false; readonly error: WireFault };

/**
 * Assignments: the full set in one part or several, then increments, numbered from 1 without gaps. The next one is sent
 * when a heartbeat tells that this one was taken.
 */
export interface Assign extends LeaderTerm, AssignmentPart {
  readonly session: string;
  readonly seq: number;
}

export interface StatusReport {
  readonly updates: readonly { readonly taskId: string; readonly status: TaskStatus }[];
}
export type StatusReply = { readonly ok: true } | { readonly ok: false; readonly error: WireFault };

export interface Heartbeat {
  readonly session: string;
  /** Number of the last assignment that was taken: the next may come. It tells the leader of one that got lost, too. */
  readonly seq?: number;
  /** Why the node's engine is away; absent while it answers. */
  readonly engine?: EngineTrouble;
}

/** The leader to one node: whom to trust, where the managers are, and whether to get a new certificate now. */
export interface MembershipNotice extends LeaderTerm, Membership {
  readonly renew: boolean;
  /** Who is to issue the certificate; with one of his there is nothing to renew. */
  readonly issuer?: Issuer;
  /** What the node's certificate is to say. */
  readonly role: NodeRole;
}

export interface WireFault {
  readonly code: FaultCode;
  readonly message: string;
  readonly origin: 'manager' | 'daemon';
  readonly reason?: FaultReason;
}
/** Answer to a command. */
export type CommandReply =
  | { readonly ok: true; readonly result: unknown; readonly index: number }
  | { readonly ok: false; readonly error: WireFault };

/** The leader of an epoch to the other managers; each answers whether it grants the lease. */
export interface LeaderHeartbeat extends LeaderTerm {
  readonly nodeId: string;
  /** How far its state is. */
  readonly index: number;
  /** By manager: up to where its journal is on its disk, as it has told this leader. */
  readonly kept?: Readonly<Record<string, number>>;
}
export interface HeartbeatReply {
  /** The lease may count on this manager for as long as a heartbeat is good for. */
  readonly ok: boolean;
  /** The highest epoch that it knows of. */
  readonly epoch: number;
  /** Its own journal has everything up to here, on its disk. */
  readonly kept: number;
  /** What there is room for on its disk; absent: everything. */
  readonly room?: Room;
}
/** What a manager tells each of the others before its server starts. */
export interface StartTold extends OwnDisk {
  /** It begins to count with this start: there is nothing that could be older. */
  readonly fresh: boolean;
  /** How many managers the teller knows of, itself among them. */
  readonly managers: number;
  /** Of the last record in its journal. */
  readonly hash: string;
  /** What the teller has seen of the disk of the one who is told. */
  readonly seen?: DiskMark;
}

export interface StartAnswer {
  /** The last start of the teller's server that was seen before; 0 for none. */
  readonly seen: number;
  /** As the teller's. */
  readonly managers: number;
  /** Why the teller's disk is older than what was seen of it. */
  readonly older?: string;
  /** The teller's journal ends on the log (true), or what it contradicts (text); absent where that cannot be told now. */
  readonly log?: true | string;
  /** The one asked has heard that its own disk is the older one, and ends its server. */
  readonly ending?: true;
}

/** A manager that hears no leader, before it claims `epoch`. */
export interface PreVote extends LeaderTerm {
  readonly nodeId: string;
}
export interface PreVoteReply {
  /** The one asked hears no leader either. */
  readonly silent: boolean;
}
/** The leader of an epoch has stopped leading. */
export interface Abdication extends LeaderTerm {
  readonly nodeId: string;
}
/** A manager's server closes, or has closed, the connections of nodes on purpose: their silence says nothing of them. */
export interface Excuse {
  readonly generation: number;
  /** A node that is not meant: the manager's own, when the manager stops; '' for none. */
  readonly except: string;
}
/** For the leader of just this epoch: another must not take it, for by then it may have been sent to a third. */
export interface ForwardedCommand extends LeaderTerm {
  /** By which the log tells it, should the answer not come. */
  readonly id: string;
  readonly name: string;
  readonly body: unknown;
}
/** Certain: nothing was done, the one asked does not lead, or not now. */
export interface NotLeading {
  readonly ok: false;
  readonly leading: false;
}
export type ForwardReply = CommandReply | NotLeading;
export type IndexReply = { readonly ok: true; readonly index: number } | NotLeading;

export const isNewer = (a: LeaderTerm, b: LeaderTerm): boolean =>
  a.generation > b.generation || (a.generation === b.generation && a.epoch > b.epoch);
