import type { Node, Outage } from '../model/objects.ts';

/** Outages that count against a node: those of so long, ms, and at most so many of them. */
const flapWindowMs = 10 * 60_000;
const outagesKept = 10;
/** From this one on a node that is back rests before it gets new tasks, each time twice as long as before. */
const outagesTolerated = 2;
const restMsMin = 15_000;
const restMsMax = 240_000;

/** Nodes that went down within this time went down together, ms. */
const massWindowMs = 60_000;
const massNodesMin = 2;
/** A survivor takes over what one node had in this time, ms. */
const takeOverMs = 10_000;

export const withOutage = (outages: readonly Outage[], last: Outage): readonly Outage[] =>
  [...outages.filter(({ at }) => at > last.at - flapWindowMs), last].slice(-outagesKept);

/** How long a node that is back gets no new tasks, ms: a flapping node would only lose them again. */
export function restMs(outages: readonly Outage[], now: number): number {
  const recent = outages.filter(({ at }) => at > now - flapWindowMs).length;
  return recent <= outagesTolerated
    ? 0
    : Math.min(restMsMax, restMsMin * 2 ** (recent - outagesTolerated - 1));
}

/**
 * Until when the tasks of nodes that fall silent at `now` stay their own: no longer than that, as long as most nodes are
 * well. Where half of the nodes are lost together (their switch, or the leader's own network), nodes are given up one
 * after the other, the first one now: no survivor takes over more than one node's tasks in `takeOverMs`, and what comes
 * back in time has lost nothing. A node without tasks has nothing to give up.
 * @param silent those that fall silent now, each with whether it has tasks; the answer is in their order
 * @param isSilent whether another node that is not down yet is about to be
 */
export function heldUntil(
  nodes: Iterable<Node>,
  silent: ReadonlyMap<string, boolean>,
  now: number,
  isSilent: (nodeId: string) => boolean,
): readonly (number | undefined)[] {
  let well = 0;
  let lost = silent.size;
  let lastGivenUpAt = Number.NEGATIVE_INFINITY;
  for (const { id, status, outages } of nodes) {
    if (silent.has(id)) continue;
    const last = outages?.at(-1);
    const isDown = status.state === 'down';
    if (isDown && (last === undefined || last.at <= now - massWindowMs)) continue;
    if (isDown) lastGivenUpAt = Math.max(lastGivenUpAt, last?.givenUpAt ?? lastGivenUpAt);
    if (isDown || isSilent(id)) lost += 1;
    else well += 1;
  }
  const stepMs = lost < massNodesMin || lost < well ? 0 : takeOverMs / Math.max(1, well);
  let next = stepMs === 0 ? now : Math.max(now, lastGivenUpAt + stepMs);
  return Array.from(silent.values(), (hasTasks) => {
    if (!hasTasks) return undefined;
    const until = next;
    next += stepMs;
    return until;
  });
}
