import { isVoter, majorityOf, placedManagers } from '../../domain/members/form.ts';
import type { View } from '../../domain/store/view.ts';

/**
 * Times of leadership among managers, ms on each manager's own monotonic clock. A manager grants its lease to one leader at a time
 * and leaves `grantGap` between the last heartbeat of one that it acknowledged and the first of the next. That is longer
 * than a lease by more than clocks drift apart in it, so no two leaders ever have a lease at the same time.
 */
export const termMs = {
  heartbeatEvery: 250,
  heartbeatTimeout: 1_000,
  /** A heartbeat is good for this long from when it was sent. */
  lease: 1_000,
  grantGap: 1_200,
  /** A follower that has heard nothing for this long, and up to `silenceJitter` more, would lead. */
  silence: 1_500,
  silenceJitter: 500,
  /** A manager that has acknowledged no heartbeat for this long is shown as unreachable; or that nobody answers for this often. */
  unreachable: 2_000,
  absentHeartbeats: 2,
  /** Without lease or without a commit for this long a leader lets go. */
  stepDown: 15_000,
} as const;

/** The managers of the cluster: who counts for a majority. */
export function managersOf(view: View): readonly string[] {
  const ids: string[] = [];
  for (const node of view.managers()) if (isVoter(node)) ids.push(node.id);
  return ids;
}

/** Those that are to hear of the leader: the managers, and those that are about to be. */
export const listenersOf = (view: View): readonly string[] =>
  placedManagers(view).map(({ id }) => id);

/** One manager, or a cluster that is only being founded: there is nobody to ask, to wait for or to lose against. */
export const isAlone = (managers: readonly string[], self: string): boolean =>
  managers.length === 0 || (managers.length === 1 && managers[0] === self);

/** Whether those in favour are a majority of the managers. */
export function isMajority(managers: readonly string[], inFavour: ReadonlySet<string>): boolean {
  const count = managers.filter((id) => inFavour.has(id)).length;
  return count >= majorityOf(managers.length);
}

/**
 * Until when a majority, the leader itself among it, stands behind the leader.
 * @param sentAt when the newest heartbeat was sent that a manager has acknowledged
 */
export function leaseEnd(
  managers: readonly string[],
  self: string,
  sentAt: ReadonlyMap<string, number>,
): number {
  if (isAlone(managers, self)) return Number.POSITIVE_INFINITY;
  const others = managers.filter((id) => id !== self);
  const needed = majorityOf(managers.length) - (managers.length - others.length);
  const newestFirst = others
    .map((id) => sentAt.get(id) ?? Number.NEGATIVE_INFINITY)
    .sort((a, b) => b - a);
  return (newestFirst[needed - 1] ?? Number.NEGATIVE_INFINITY) + termMs.lease;
}

/**
 * Up to where no manager needs the log any more: every one of them has what is before on its own disk. One that has not
 * told holds everything.
 */
export function keptByAll(
  managers: readonly string[],
  self: string,
  kept: ReadonlyMap<string, number>,
): number {
  return managers.reduce(
    (least, id) => (id === self ? least : Math.min(least, kept.get(id) ?? 0)),
    Number.POSITIVE_INFINITY,
  );
}
