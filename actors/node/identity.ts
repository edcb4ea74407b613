import type { LogPlace } from './log-place/log-place.ts';

/** What a node must know of itself before it can reach the cluster; the rest is in the state log. */
export interface Identity extends LogPlace {
  readonly clusterId: string;
  /** `IP:PORT` of the join listener as configured at init. */
  readonly listenAddr: string;
  readonly advertiseHost: string;
  readonly advertisePort: string;
  /** The advertised host was an address of this machine when it was taken: when it is none any more, another one is. */
  readonly advertisesOwn?: true;
  /** What this node's certificate says; a file without it is a manager's. */
  readonly role?: 'manager' | 'worker';
}

export const isManager = (identity: Identity): boolean => identity.role !== 'worker';

/** Where the node is to be found. */
export type OwnAddresses = Pick<
  Identity,
  'listenAddr' | 'advertiseHost' | 'advertisePort' | 'advertisesOwn'
>;
