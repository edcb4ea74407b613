/** `docker swarm init`, as the client sent it. */
export interface InitRequest {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  readonly dataPathPort: number;
  readonly forceNewCluster: boolean;
  readonly autoLockManagers: boolean;
  readonly availability: string;
  readonly defaultAddrPool: readonly string[];
  readonly subnetSize: number;
  /** Swarm.Spec as sent; merged over the defaults. */
  readonly spec: unknown;
}

/** `docker swarm join`, as the client sent it. */
export interface JoinRequest {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  /** `host[:port]` of managers; the first that answers is joined. */
  readonly remoteAddrs: readonly string[];
  readonly joinToken: string;
  readonly availability: string;
}
