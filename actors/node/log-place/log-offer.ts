import { type RoutePeer, routePeers, upcoming } from '../../../domain/members/form.ts';
import type { LogForm } from '../../../domain/model/objects.ts';
import type { View } from '../../../domain/store/view.ts';

/** How managers are to keep their keys on the disk, by the cluster's `version`. */
export interface KeyLock {
  readonly version: number;
  /** `SWMKEY-1-…`; absent: in the clear. */
  readonly unlockKey?: string;
}

/** What another manager tells of where the log goes on: all that a manager must know to get a place in it. */
export interface LogOffer extends LogForm {
  /** Signs the bus' user JWTs: every manager answers for the others' servers. */
  readonly busIssuerSeed: string;
  readonly peers: readonly RoutePeer[];
  readonly lock: KeyLock;
  /** Of the state that says so. */
  readonly index: number;
  /** The generation that the manager asked is in. */
  readonly current: number;
}

export function lockOf(view: View): KeyLock {
  const cluster = view.cluster();
  if (cluster === undefined) return { version: 0 };
  const { meta, unlockKey } = cluster;
  return { version: meta.version, ...(unlockKey !== undefined && { unlockKey }) };
}

/** @param current the generation of the manager whose state `view` is */
export function logOffer(view: View, current: number): LogOffer {
  const { generation, form } = upcoming(view);
  return {
    generation,
    form,
    busIssuerSeed: view.cluster()?.busIssuerSeed ?? '',
    peers: routePeers(view),
    lock: lockOf(view),
    index: view.index,
    current,
  };
}
