import { daemonFault, type Fault } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { InitRequest, JoinRequest } from '../../domain/members/requests.ts';
import { type Identity, isManager, type OwnAddresses } from './identity.ts';
import { text } from './swarm-texts.ts';

/** A change of the node's place in a swarm: a client's request, or what the node's parts have found. */
export type Change =
  | { readonly kind: 'init'; readonly request: InitRequest }
  | { readonly kind: 'join'; readonly request: JoinRequest }
  | { readonly kind: 'leave'; readonly force: boolean }
  | { readonly kind: 'unlock'; readonly key: string }
  /** The manager's state contradicts the log, and is set aside. */
  | { readonly kind: 'follow' }
  /** The certificate says this role now. */
  | { readonly kind: 'role'; readonly role: 'manager' | 'worker' }
  /** The machine has other addresses. */
  | { readonly kind: 'move'; readonly addresses: OwnAddresses }
  /** The manager's parts begin anew: elsewhere in the log, or with what is on the disk. */
  | { readonly kind: 'restart'; readonly identity: Identity; readonly isElsewhere: boolean };

const ownKinds: ReadonlySet<Change['kind']> = new Set(['role', 'move', 'restart']);

/**
 * Whether one more change may wait. The node's own changes are counted apart, so that clients cannot keep them out.
 */
export function hasRoomFor(
  change: Change,
  waiting: readonly { readonly change: Change }[],
): boolean {
  const isOwn = ownKinds.has(change.kind);
  const alike = waiting.filter((asked) => ownKinds.has(asked.change.kind) === isOwn);
  return alike.length < limits.membershipChangesWaitingMax;
}

/** The node as it is, for what may be done with it. */
export interface MembershipFacts {
  /** Undefined outside a swarm. */
  identity(): Identity | undefined;
  /** The manager's keys are on the disk under a key that this process does not have. */
  isLocked(): boolean;
  /** To the bus of a manager. */
  isConnected(): boolean;
  /** Docker's words for what the cluster would lose with this manager. */
  leaveWarning(): string;
}

/**
 * The effects of the changes. Each resolves when the change is on the disk and the node's parts are as it wants them, and
 * rejects with a `Fault` where the client is to hear of it. They are called one at a time.
 */
export interface MembershipSteps {
  /** Answers the node's ID. */
  init(request: InitRequest): Promise<string>;
  /** Answers the node's ID. */
  forceNewCluster(request: InitRequest): Promise<string>;
  /** Asks the managers until one lets the node in. Nothing is written down once the scope has ended. */
  join(request: JoinRequest, scope: AbortSignal): Promise<void>;
  /** Why a join of which nobody waits for the end came to nothing; undefined: nobody needs to know any more. */
  noteJoinFailure(error: unknown): void;
  /** A member whose certificate opens nothing any more is let back in. */
  rejoin(request: JoinRequest): Promise<void>;
  unlock(key: string): Promise<void>;
  /** The manager runs. */
  comeUp(): Promise<void>;
  /** For a manager that is not locked: rejects when it is known that it runs. */
  refuseUnlock(): Promise<void>;
  leave(): Promise<void>;
  follow(): Promise<void>;
  changeRole(role: 'manager' | 'worker'): Promise<void>;
  move(addresses: OwnAddresses): Promise<void>;
  restart(identity: Identity, isElsewhere: boolean): Promise<void>;
}

/** What becomes of a change: a state of the machine, nothing at all, or a refusal. */
export type Course =
  | 'initializing'
  | 'forcingNewCluster'
  | 'joining'
  | 'rejoining'
  | 'unlocking'
  | 'refusingUnlock'
  | 'leaving'
  | 'following'
  | 'changingRole'
  | 'moving'
  | 'restarting'
  | 'nothing'
  | Fault;

/** @param isJoining a join goes on of which nobody waits for the end */
export function courseOf(change: Change, facts: MembershipFacts, isJoining: boolean): Course {
  const identity = facts.identity();
  if (identity === undefined) return courseOutside(change, isJoining);
  switch (change.kind) {
    case 'init':
      if (!change.request.forceNewCluster) return refuse(text.inSwarm);
      if (!isManager(identity)) return refuse(text.notManager);
      return facts.isLocked() ? refuse(text.locked) : 'forcingNewCluster';
    case 'join':
      return isManager(identity) || facts.isConnected() ? refuse(text.inSwarm) : 'rejoining';
    case 'leave':
      if (change.force) return 'leaving';
      if (facts.isLocked()) return refuse(text.lockedLeave);
      return isManager(identity) ? refuse(facts.leaveWarning()) : 'leaving';
    case 'unlock':
      return facts.isLocked() ? 'unlocking' : 'refusingUnlock';
    case 'follow':
      return 'following';
    case 'role':
      return isManager(identity) === (change.role === 'manager') ? 'nothing' : 'changingRole';
    case 'move':
      return identity.advertiseHost === change.addresses.advertiseHost ? 'nothing' : 'moving';
    case 'restart':
      return identity.nodeId === change.identity.nodeId && isManager(identity)
        ? 'restarting'
        : 'nothing';
  }
}

function courseOutside({ kind }: Change, isJoining: boolean): Course {
  switch (kind) {
    case 'init':
      return isJoining ? refuse(text.inSwarm) : 'initializing';
    case 'join':
      return isJoining ? refuse(text.inSwarm) : 'joining';
    case 'leave':
      return isJoining ? 'leaving' : refuse(text.notInSwarm);
    case 'unlock':
      return refuse(text.notManager);
    case 'follow':
      return daemonFault('FailedPrecondition', text.noContradiction);
    case 'role':
    case 'move':
    case 'restart':
      return 'nothing';
  }
}

const refuse = (message: string): Fault => daemonFault('Unavailable', message);
