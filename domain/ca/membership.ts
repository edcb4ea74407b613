import { trustedRootsPem } from './signing.ts';
import type { View } from '../store/view.ts';

/** What every node must know of the cluster to stay in it. */
export interface Membership {
  /** The roots to trust, PEM; the present one first. */
  readonly roots: string;
  /** The managers, by ID; `addr` is the join listener's, `bus` the bus server's `host:port`. */
  readonly managers: readonly ManagerAddress[];
}
export interface ManagerAddress {
  readonly nodeId: string;
  readonly addr: string;
  readonly bus: string;
}

/** Undefined before the cluster is founded. */
export function membershipOf(view: View): Membership | undefined {
  const cluster = view.cluster();
  if (cluster === undefined) return undefined;
  const managers: ManagerAddress[] = [];
  for (const { id, manager } of view.managers())
    if (manager !== undefined && manager.joining !== true)
      managers.push({ nodeId: id, addr: manager.addr, bus: manager.bus });
  return { roots: trustedRootsPem(cluster), managers };
}

export const sameMembership = (a: Membership | undefined, b: Membership | undefined): boolean =>
  JSON.stringify(a) === JSON.stringify(b);
