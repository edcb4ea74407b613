import { createHash } from 'node:crypto';
import { BusError } from '../ports.ts';
import { askServers, leads, metaGroup, type RaftPeer, type ServerReport } from './jsz.ts';
import type { Link } from './link.ts';
import { logNames } from './log.ts';

/** A member of a raft group, as its leader sees it. */
export interface Peer {
  /** Name of the server; '' for one that the leader has not heard of since it started. */
  readonly name: string;
  readonly peerId: string;
  readonly current: boolean;
  readonly offline: boolean;
  /** Raft entries that it is behind. */
  readonly lag: number;
}

/** What one server has of the log. `last` is `first` − 1 when it is empty. */
export interface Copy {
  readonly server: string;
  readonly messages: number;
  readonly first: number;
  readonly last: number;
  readonly deleted: number;
}

export interface ClusterHealth {
  /** Undefined when nobody, or more than one, says so of itself. */
  readonly metaLeader: string | undefined;
  /** Members of the meta group, its leader counted; 0 without a leader. */
  readonly metaSize: number;
  /** The meta group without its leader. */
  readonly metaPeers: readonly Peer[];
  readonly streamLeader: string | undefined;
  /** Raft group of the log; undefined without a leader, and for a log of one replica. */
  readonly streamGroup: string | undefined;
  /** How many replicas the log is to have; 0 without a leader. */
  readonly replicas: number;
  /** The log's replicas without its leader. */
  readonly streamReplicas: readonly Peer[];
  /** JetStream is on the way to other replicas. */
  readonly isMigrating: boolean;
  /** Of every server that has one. */
  readonly copies: readonly Copy[];
  /** Names of the servers that have answered: whoever was cut off without a word is not `offline` to the others. */
  readonly answered: readonly string[];
}

interface StreamInfo {
  readonly error?: object;
  readonly config?: { readonly num_replicas?: number };
  readonly cluster?: {
    readonly leader?: string;
    readonly raft_group?: string;
    readonly replicas?: readonly RaftPeer[];
    readonly desired?: object;
  };
}

const patienceMs = 1_000;
/** A removal is answered when the group has agreed on it. */
const changePatienceMs = 5_000;

/**
 * How the managers' servers and the log's replicas are. Takes a second while fewer than `servers` answer. Rejects with
 * `BusError` when the links are down.
 * @param log link of the account `log`
 * @param system link of the system account
 */
export async function clusterHealth(
  log: Link,
  system: Link,
  servers: number,
): Promise<ClusterHealth> {
  const [info, reports] = await Promise.all([
    streamInfo(log),
    askServers(system, servers, patienceMs),
  ]);
  const leaders = reports.filter((report) => leads(report, metaGroup));
  const meta = leaders.length === 1 ? leaders[0]?.meta : undefined;
  return {
    metaLeader: meta?.leader,
    metaSize: meta?.cluster_size ?? 0,
    metaPeers: (meta?.replicas ?? []).map(peerOf),
    streamLeader: info?.cluster?.leader,
    streamGroup: info?.cluster?.raft_group,
    replicas: info?.config?.num_replicas ?? 0,
    streamReplicas: (info?.cluster?.replicas ?? []).map(peerOf),
    isMigrating: info?.cluster?.desired !== undefined,
    copies: reports.flatMap(copyOf),
    answered: reports.map(({ server }) => server),
  };
}

/** Its leader answers; without one there is nothing to say. */
async function streamInfo(log: Link): Promise<StreamInfo | undefined> {
  try {
    const subject = `$JS.API.STREAM.INFO.${logNames.stream}`;
    const info = (await log.request(subject, new Uint8Array(), patienceMs)).json<StreamInfo>();
    return info.error === undefined ? info : undefined;
  } catch (error) {
    if (error instanceof BusError && error.code === 'disconnected') throw error;
    return undefined;
  }
}

const peerOf = ({ name, peer, current, offline = false, lag = 0 }: RaftPeer): Peer => ({
  name,
  peerId: peer,
  current,
  offline,
  lag,
});

function copyOf({ server, stream }: ServerReport): readonly Copy[] {
  if (stream === undefined) return [];
  const { messages, first_seq, last_seq, num_deleted = 0 } = stream.state;
  const first = messages === 0 ? last_seq + 1 : first_seq;
  return [{ server, messages, first, last: last_seq, deleted: num_deleted }];
}

/**
 * Why the members must not be changed now; undefined when they may: every server and every replica is there and has all
 * of the log.
 * @param behindMax records that one may be behind all the same: the log goes on while it is looked at
 */
export function isSettled(
  health: ClusterHealth,
  expectedServers: number,
  behindMax = 0,
): string | undefined {
  return (
    metaTrouble(health, expectedServers, behindMax) ??
    streamTrouble(health, behindMax) ??
    copyTrouble(health, behindMax)
  );
}

function metaTrouble(
  health: ClusterHealth,
  expectedServers: number,
  behindMax: number,
): string | undefined {
  if (health.metaLeader === undefined) return 'the servers have no leader';
  if (health.metaSize !== expectedServers)
    return `the servers' group has ${health.metaSize} members, not ${expectedServers}`;
  return peerTrouble('server', health.metaPeers, behindMax);
}

function streamTrouble(health: ClusterHealth, behindMax: number): string | undefined {
  if (health.streamLeader === undefined) return 'the log has no leader';
  if (health.isMigrating) return 'the log is being moved';
  const found = health.streamReplicas.length + 1;
  if (found !== copiesExpected(health))
    return `the log has ${found} of ${health.replicas} replicas`;
  return peerTrouble('replica', health.streamReplicas, behindMax);
}

/** After a server was removed there are fewer servers than copies wanted, until fewer are wanted. */
const copiesExpected = ({ replicas, metaSize }: ClusterHealth): number =>
  Math.min(replicas, metaSize);

function peerTrouble(what: string, peers: readonly Peer[], behindMax: number): string | undefined {
  const bad = peers.find(({ current, offline, lag }) => !current || offline || lag > behindMax);
  if (bad === undefined) return undefined;
  const state = bad.offline ? 'offline' : 'behind';
  return `${what} ${bad.name === '' ? bad.peerId : bad.name} is ${state}`;
}

function copyTrouble(health: ClusterHealth, behindMax: number): string | undefined {
  const { copies, replicas } = health;
  if (copies.length !== copiesExpected(health))
    return `${copies.length} servers have a copy of the log, not ${replicas}`;
  const damaged = copies.find(
    ({ messages, first, last, deleted }) => deleted > 0 || messages !== last - first + 1,
  );
  if (damaged !== undefined) return `the copy of ${damaged.server} is damaged`;
  const [one] = copies;
  const other = copies.find(
    ({ first, last }) => first !== one?.first || Math.abs(last - one.last) > behindMax,
  );
  return other === undefined || one === undefined
    ? undefined
    : `the copies of ${one.server} and ${other.server} differ`;
}

interface ApiError {
  readonly err_code: number;
  readonly description: string;
}

/** JSClusterServerNotMemberErr. */
const notMember = 10_044;

/**
 * Takes a server out of JetStream's group, alive or not; a replica of the log on it moves to another server, if there is
 * one. False when it was no member. The same name must never come back: a server is known by it. Rejects with `BusError`:
 * `refused` while another change is on its way, `no-responder` or `timeout` without a leader, and then it may be done yet.
 * @param system link of the system account
 * @param peerId rather than the name, which a leader that has not heard of it since its own start does not know
 */
export async function removeServer(system: Link, peerId: string): Promise<boolean> {
  const error = await ask(system, 'SERVER.REMOVE', { peer_id: peerId });
  if (error === undefined) return true;
  if (error.err_code !== notMember) throw refused('SERVER.REMOVE', error);
  return false;
}

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** JetStream's name for a server in its raft groups. */
export function peerIdOf(serverName: string): string {
  const hash = createHash('sha256').update(serverName).digest().subarray(0, 8);
  return [...hash].map((byte) => digits[byte % digits.length]).join('');
}

/**
 * Hands the lead of the log to another server: to the preferred one, if it can take it. Rejects with `BusError`.
 * @param log link of the account `log`
 */
export async function stepDownStream(log: Link, preferred?: string): Promise<void> {
  const verb = `STREAM.LEADER.STEPDOWN.${logNames.stream}`;
  const error = await ask(log, verb, preferred === undefined ? {} : { placement: { preferred } });
  // JetStream has no code of its own for this
  if (error !== undefined && !error.description.endsWith('is already leader'))
    throw refused(verb, error);
}

async function ask(link: Link, verb: string, body: object): Promise<ApiError | undefined> {
  const data = Buffer.from(JSON.stringify(body));
  const answer = await link.request(`$JS.API.${verb}`, data, changePatienceMs);
  return answer.json<{ readonly error?: ApiError }>().error;
}

const refused = (verb: string, { description, err_code }: ApiError): BusError =>
  new BusError('refused', `JetStream refused ${verb}: ${description} (${err_code})`);
