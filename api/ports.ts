import type { InitRequest, JoinRequest } from '../domain/members/requests.ts';
import type { Applied } from '../domain/store/changes.ts';
import type { View } from '../domain/store/view.ts';
import type { LogStatus } from '../domain/members/log-status.ts';
import type { NodeTree } from '../actors/manager/trees.ts';
import type { LogReading, NodeAway } from '../actors/manager/task-logs.ts';
import type { LogChunk } from '../domain/logs/frames.ts';

/** What this node is to the cluster; `Swarm` header of /_ping and `LocalNodeState` of /info. */
export interface LocalState {
  readonly state: 'inactive' | 'pending' | 'active' | 'error' | 'locked';
  readonly nodeId: string;
  readonly nodeAddr: string;
  /** Set while state is active and this node is a manager. */
  readonly manager: boolean;
  readonly error: string;
  readonly remoteManagers: readonly { readonly nodeId: string; readonly addr: string }[];
}

/** The swarm as this daemon sees it. Every method throws `Fault`s with Docker's texts. */
export interface Swarm {
  local(): LocalState;
  /** Answers the new node's id. */
  init(request: InitRequest): Promise<string>;
  /** Resolves when this node is a member; a fault when that takes longer than the CLI waits, though it goes on. */
  join(request: JoinRequest): Promise<void>;
  leave(force: boolean): Promise<void>;
  /** Resolves when the manager, whose keys were locked, runs. */
  unlock(unlockKey: string): Promise<void>;
  /** Sends a command to the leader; resolves once it is durable, and `read()` shows it. */
  command(name: string, body: unknown): Promise<unknown>;
  /** The state, at least as new as every write acknowledged before the call. Throws Docker's 503 texts on non-managers. */
  read(): Promise<View>;
  /** The id of the manager that leads now, '' when unknown. */
  leaderId(): string;
  /** Where the log stands and which servers hold it. */
  logStatus(): Promise<LogStatus>;
  /** The state as a file from which the cluster can be restored, not encrypted. */
  backup(): Promise<Uint8Array>;
  /** The log is to be led by that manager's server. */
  leadLogFrom(nodeId: string): Promise<void>;
  /** Of a manager whose state and log contradict each other: its state is set aside, and it follows the other managers. */
  follow(): Promise<void>;
  /** What runs in this daemon, in a swarm or not. */
  tree(): NodeTree;
  /** What runs on these nodes, asked of each; in their order. */
  trees(nodeIds: readonly string[]): Promise<readonly NodeTree[]>;
  /** Every committed change, in order; for /events. Works from the first init on, over leave and init. */
  watch(listener: (changes: readonly Applied[]) => void): () => void;
  /**
   * The log of one task, from its node. Throws a Fault, `Unavailable` when the node does not answer; one that is
   * followed is waited for instead, which the stream tells.
   */
  taskLogs(reading: LogReading): AsyncIterable<LogChunk | NodeAway>;
}
