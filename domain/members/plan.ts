import type { LogForm } from '../model/objects.ts';
import type { View } from '../store/view.ts';
import {
  formOf,
  isGoing,
  isVoter,
  leavesLead,
  majorityOf,
  type Placed,
  placedManagers,
} from './form.ts';

/** A server of the log's group. */
export interface LogServer {
  /** As JetStream knows it; a manager whose disk was lost comes back under another ID. */
  readonly peer: string;
  /** '' for one that has not been heard since the servers' leader began. */
  readonly nodeId: string;
  readonly online: boolean;
  /** Of the log: none, one that is being made, one that has all of it. */
  readonly copy: 'none' | 'behind' | 'current';
}
/** The log's group as its leaders tell of it. */
export interface LogSurvey {
  /** Copies that the log is to have. */
  readonly replicas: number;
  readonly servers: readonly LogServer[];
  /** Node whose server leads the log; '' while none does. */
  readonly leader: string;
  /** What is not as it is to be, for people; absent when all servers are up, are current and agree. */
  readonly unsettled?: string;
  /** The same without the servers that are away: while it is there nothing may be changed. */
  readonly unsettledUp?: string;
}

/** JetStream keeps five copies at most; further managers read and forward. */
export const replicasMax = 5;

/** The one thing that the leader does next for the log to be on the right servers. */
export type MemberStep =
  | { readonly step: 'none' }
  /** It is not the time yet; `why` is for people. */
  | { readonly step: 'wait'; readonly why: string }
  /** This generation is to be closed, and the next to begin here. */
  | { readonly step: 'close'; readonly form: LogForm['form'] }
  /** From this record on a manager's place is given up: its server may be forgotten. */
  | { readonly step: 'mark-leaving'; readonly nodeId: string }
  /** The manager has no part in the log any more: it becomes a worker, or gets a new place. */
  | { readonly step: 'release'; readonly nodeId: string }
  /** The group goes on without a server: one that does not come back, or whose manager is to go. */
  | { readonly step: 'forget'; readonly server: string }
  | { readonly step: 'replicas'; readonly count: number }
  /** The log is led by this leader's own server, and one host's death would cost both, or by a server that is to go. */
  | { readonly step: 'lead-elsewhere' }
  /** This leader is to be a worker: another manager is to lead, and release it. */
  | { readonly step: 'yield' };

const none: MemberStep = { step: 'none' };
const wait = (why: string): MemberStep => ({ step: 'wait', why });

/**
 * What is to be done next, from the state and the group as it is; the same for whoever leads, so a leader that dies
 * in the middle is no matter. One change at a time, and only while the group is settled (docs/state-log.md).
 * @param self the leader's node
 * @param survey of the group; of no use to a manager that stands alone
 */
export function planMembers(view: View, self: string, survey: LogSurvey | undefined): MemberStep {
  const { form, closed } = formOf(view);
  if (closed) return none;
  const placed = placedManagers(view);
  const going = placed.filter(isGoing);
  const staying = placed.filter((node) => !isGoing(node));
  if (leavesLead(view, self)) return { step: 'yield' };
  const isToGo = going.some(({ id }) => id === self);
  if (isToGo && staying.length === 0) return none;
  // who is to take over does not count yet: until it does, nobody goes
  const leaving = isToGo ? [] : going;
  return form === 'alone'
    ? planAlone(self, staying, leaving)
    : planSeveral(view, self, staying, leaving, survey);
}

function planAlone(
  self: string,
  staying: readonly Placed[],
  [going]: readonly Placed[],
): MemberStep {
  if (going !== undefined) return { step: 'release', nodeId: going.id };
  return staying.some(({ id }) => id !== self) ? { step: 'close', form: 'several' } : none;
}

function planSeveral(
  view: View,
  self: string,
  staying: readonly Placed[],
  going: readonly Placed[],
  survey: LogSurvey | undefined,
): MemberStep {
  if (survey === undefined) return wait('the servers of the log do not answer');
  const stranger = survey.servers.find((server) => isStranger(view, server, survey.servers));
  if (stranger !== undefined) return { step: 'forget', server: stranger.peer };
  const left = survey.servers.find(({ nodeId }) => nodeId !== '' && isGone(view, nodeId));
  if (left !== undefined) return wait(`the server of node ${left.nodeId} has not stopped yet`);
  const letGo = inOrder(going, survey).map((node): MemberStep => {
    const others = [...staying, ...going.filter((other) => other !== node)].filter(isVoter);
    return others.length === 1 ? { step: 'close', form: 'alone' } : planRelease(node, survey);
  });
  const [first, ...more] = letGo;
  if (first !== undefined && first.step !== 'wait') return first;
  // one that has to wait may wait for nothing else than that another one's server is taken out
  const next = more.find(({ step: each }) => each === 'mark-leaving' || each === 'forget') ?? first;
  if (next !== undefined) return next;
  const step = planReplicas(survey);
  if (step.step !== 'none' || survey.leader !== self) return step;
  const others = survey.servers.some(({ nodeId, online }) => nodeId !== self && online);
  return others && survey.unsettledUp === undefined ? { step: 'lead-elsewhere' } : none;
}

/** A server that is away comes back, or its manager is demoted: its copy is kept for it, and others get theirs meanwhile. */
function planReplicas({ servers, replicas, unsettledUp }: LogSurvey): MemberStep {
  const keepers = servers.filter(({ online, copy }) => online || copy !== 'none').length;
  const count = Math.min(replicasMax, keepers);
  if (count === replicas) return none;
  if (unsettledUp !== undefined) return wait(unsettledUp);
  // fewer only follow the servers that have left already
  return { step: 'replicas', count: Math.min(replicas + 1, count) };
}

/**
 * The others must be able to go on without it. While it is up its copy counts: it goes when they have what it has. The
 * group goes on without its server first, up or not: at no moment does the group need a server that is not a manager's.
 */
function planRelease(node: Placed, survey: LogSurvey): MemberStep {
  const own = survey.servers.find(({ nodeId }) => nodeId === node.id);
  if (own === undefined) return { step: 'release', nodeId: node.id };
  const members = survey.servers.length;
  const rest = survey.servers.filter((server) => server !== own);
  const up = rest.filter(({ online }) => online).length;
  // as it is now the group agrees on it, and then it goes on
  const needed = Math.max(majorityOf(members) - (own.online ? 1 : 0), majorityOf(members - 1));
  const copies = rest.filter(({ copy }) => copy !== 'none').length;
  const current = rest.filter(({ online, copy }) => online && copy === 'current').length;
  if (up < needed || current < majorityOf(copies))
    return wait(`${up} of ${members} servers of the log would be left without ${node.id}`);
  // whoever is told of a promotion from here on has to know that this place is no more, whichever leader takes the server out
  const forget: MemberStep =
    node.manager.leaving === true
      ? { step: 'forget', server: own.peer }
      : { step: 'mark-leaving', nodeId: node.id };
  if (!own.online) return forget;
  if (survey.unsettledUp !== undefined) return wait(survey.unsettledUp);
  const step = planReplicas(survey);
  if (step.step !== 'none') return step;
  return survey.leader === node.id ? { step: 'lead-elsewhere' } : forget;
}

/** What has begun goes on first: those that have left, then those that are about to. */
function inOrder(going: readonly Placed[], survey: LogSurvey): readonly Placed[] {
  const rank = (node: Placed): number =>
    hasLeft(node, survey) ? 0 : node.manager.leaving === true ? 1 : 2;
  return [...going].sort((a, b) => rank(a) - rank(b));
}

/** Its server is out of the group already: until it is released too, it would be counted among those that go on. */
const hasLeft = ({ id }: Placed, { servers }: LogSurvey): boolean =>
  servers.every(({ nodeId }) => nodeId !== '' && nodeId !== id);

/** Why the log does not count on this node's server yet, for people; '' when it does. */
export function lacksCopy(survey: LogSurvey, nodeId: string): string {
  const own = survey.servers.find((server) => server.nodeId === nodeId && server.online);
  if (own === undefined) return "its server is not in the group of the log's servers yet";
  if (own.copy === 'current') return '';
  const copies = survey.servers.filter(({ copy }) => copy !== 'none').length;
  if (own.copy === 'none' && copies >= replicasMax) return '';
  return own.copy === 'behind'
    ? 'the log is being copied to it'
    : `it waits for its copy of the log${survey.unsettledUp === undefined ? '' : `: ${survey.unsettledUp}`}`;
}

const isGone = (view: View, nodeId: string): boolean => view.node(nodeId)?.manager === undefined;

/** Of no manager, or of one whose server has come back as another. */
function isStranger(view: View, server: LogServer, all: readonly LogServer[]): boolean {
  if (server.online) return false;
  // whose it was is not known; nobody's, if every manager has one that is
  if (server.nodeId === '')
    return placedManagers(view).every(({ id }) => all.some(({ nodeId }) => nodeId === id));
  if (isGone(view, server.nodeId)) return true;
  return all.some(({ nodeId, online }) => nodeId === server.nodeId && online);
}
