import { limits } from '../limits.ts';

/** How often a node sends heartbeats, and what its silence comes to (docs/agent.md); all in ms. */
export interface HeartbeatPeriod {
  readonly everyMs: number;
  /** Silence after which a node is suspected; it is down half a heartbeat later. */
  readonly silenceMs: number;
  /** The silence that a node may keep while its leader is new, or whose connection was closed on purpose. */
  readonly graceMs: number;
}

/** Swarm's default, which 0 stands for as well, ns. */
const periodNsDefault = 5e9;
const heartbeatsPerPeriod = 5;
const heartbeatMsMin = 100;
const missedMax = 3;
/** Heartbeats are at most this many times as far apart as in a small cluster: a node sends one within the period that the API shows. */
const factorMax = 4;
/** Heartbeats are more frequent again when that leaves so much of the bound: a node more or less changes nothing. */
const roomToQuicken = 0.8;

/**
 * Five heartbeats in the period that the API shows. Where the leader would hear too many in a second, they are half as
 * frequent, and once more (Nomad bounds them alike: `max_heartbeats_per_second`).
 * @param period as the API has it, ns
 * @param nodes in the cluster
 * @param before what the nodes were told last; returned where nothing changes
 */
export function heartbeatPeriodOf(
  period: number,
  nodes: number,
  before?: HeartbeatPeriod,
): HeartbeatPeriod {
  const shortestMs = Math.max(
    heartbeatMsMin,
    (period > 0 ? period : periodNsDefault) / 1e6 / heartbeatsPerPeriod,
  );
  const factorBefore = (before?.everyMs ?? 0) / shortestMs;
  let factor = 1;
  while (factor < factorMax && nodes > nodesMax(shortestMs * factor, factor < factorBefore))
    factor *= 2;
  const everyMs = shortestMs * factor;
  const silenceMs = everyMs * missedMax;
  const graceMs = Math.max(silenceMs, shortestMs * missedMax * 2);
  const isAsBefore = before?.everyMs === everyMs && before.graceMs === graceMs;
  return isAsBefore ? before : { everyMs, silenceMs, graceMs };
}

const nodesMax = (everyMs: number, isQuicker: boolean): number =>
  (limits.heartbeatsPerSMax * everyMs * (isQuicker ? roomToQuicken : 1)) / 1_000;
