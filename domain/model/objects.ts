import type { DesiredState, TaskState } from '../task-state.ts';
import type {
  ClusterSpec,
  DiscreteOrNamedResource,
  EndpointSpec,
  Labels,
  NodeRole,
  NodeSpec,
  PortConfig,
  ServiceSpec,
  TaskSpec,
} from './spec.ts';

/** Times are milliseconds since 1970 (UTC), as the log's transactions carry them. */
export interface Meta {
  /** Sequence of the log message that wrote the object last (Docker's `Version.Index`). */
  readonly version: number;
  /** Of nodes and services: the version that wrote the spec last. */
  readonly versionOfSpec?: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Every stored object. `meta` is set by the store when a transaction is applied, never by a decision. */
export interface Stored {
  readonly id: string;
  readonly meta: Meta;
}

/** A change of the cluster's root that has begun and not ended: what is issued from now on is the new root's. */
export interface RootRotation {
  readonly certPem: string;
  /** '' if only external CAs have it. */
  readonly keyPem: string;
  /** The new root signed by the present one, for whoever trusts that one only; sent along with certificates. */
  readonly crossSignedPem: string;
  readonly startedAt: number;
}

/** The root of a rotation that was given up: trusted until no node's certificate is of it any more. */
export interface FormerRoot {
  readonly certPem: string;
  readonly retiredAt: number;
}

export interface Cluster extends Stored {
  readonly id: string;
  readonly spec: ClusterSpec;
  readonly rootCa: {
    readonly certPem: string;
    /** '' if only external CAs have it. */
    readonly keyPem: string;
    readonly tokens: { readonly worker: string; readonly manager: string };
  };
  readonly rootRotation?: RootRotation;
  readonly formerRoots?: readonly FormerRoot[];
  /** Seed (nkey `SA…`) of the account that signs the bus' user JWTs. */
  readonly busIssuerSeed: string;
  readonly unlockKey?: string;
  /** What all of its managers can (`domain/format/levels.ts`), and so what decisions may use; only ever raised. */
  readonly featureLevel?: number;
  readonly defaultAddrPool: readonly string[];
  readonly subnetSize: number;
  readonly dataPathPort: number;
  /** The log that this state is in; absent in the first generation of a manager that stands alone. */
  readonly log?: LogForm & {
    /** This generation is closed: nothing written to its log after this counts (docs/state-log.md). */
    readonly next?: LogForm & { readonly founder: string };
  };
}

/** A generation of the log: on the server of one manager that stands `alone`, or on `several` managers' together. */
export interface LogForm {
  readonly generation: number;
  readonly form: 'alone' | 'several';
}

/** A node's certificate, as the API shows it. */
export interface NodeTls {
  readonly trustRoot: string;
  readonly issuerSubject: string;
  readonly issuerPublicKey: string;
  /** The certificate's own key, as nodes told versions before this one; only the state has it (`issuedKeys`). */
  readonly publicKey?: string;
}

export interface NodeDescription {
  readonly hostname: string;
  /** Where the node says that it is. */
  readonly addr?: string;
  readonly platform: { readonly architecture: string; readonly os: string };
  readonly resources: {
    readonly nanoCpus: number;
    readonly memoryBytes: number;
    readonly generic?: readonly DiscreteOrNamedResource[];
  };
  readonly engine: {
    readonly version: string;
    readonly labels: Labels;
    readonly plugins: readonly { readonly type: string; readonly name: string }[];
  };
  /** Base64 DER, of the certificate that the node uses now. */
  readonly tls?: NodeTls;
}

/**
 * One start of a manager's server. The number counts this manager's starts; the ID is drawn, so that a disk that was rolled
 * back and counts to the same number again is told apart.
 */
export interface Start {
  readonly number: number;
  readonly id: string;
}

/** Where a manager is. Addresses are `host:port`. */
export interface ManagerPlace {
  /** Of the join listener. */
  readonly addr: string;
  /** Of the bus server, for nodes and for the servers of other managers. */
  readonly bus: string;
  readonly route: string;
  /** The highest feature level that it can; absent of a version that knew of none. */
  readonly featureLevel?: number;
  /** It gets the state for the first time: it does not count as a manager yet. */
  readonly joining?: true;
  /** The log goes on without its server, or is about to: this place is given up, whatever the node is to be by now. */
  readonly leaving?: true;
  readonly reachability: 'unknown' | 'reachable' | 'unreachable';
  /** Of its server, as it has told last. */
  readonly start?: Start;
  /** What people must know of this manager; shown as the node's message. */
  readonly notice?: string;
}

/** What a manager tells of itself. */
export type ManagerTold = Pick<ManagerPlace, 'addr' | 'bus' | 'route' | 'featureLevel'>;

/** A node was silent, or its engine away. */
export interface Outage {
  /** When it was declared down, ms. */
  readonly at: number;
  /** From when on its tasks were lost, ms; absent where it had none. */
  readonly givenUpAt?: number;
}

/** A key that a node was given a certificate for. */
export interface IssuedKey {
  /** Its public half, base64 of the DER. */
  readonly key: string;
  /** When it was last asked for or shown, ms. */
  readonly seenAt: number;
  /** The node has come back by it: for a certificate of that key, and of no other. */
  readonly spentOn?: string;
  /** Nobody has issued it: the node said so, to a version before this one. */
  readonly isTold?: true;
}

export type NodeState = 'unknown' | 'down' | 'ready' | 'disconnected';
export interface Node extends Stored {
  readonly id: string;
  readonly spec: NodeSpec;
  /** What the node's certificates are issued for: a manager's from its promotion on, until the log is without it. */
  readonly role: NodeRole;
  readonly description?: NodeDescription;
  readonly status: { readonly state: NodeState; readonly message: string; readonly addr: string };
  /** Those by which the node may come back, the newest last; absent where a version of before has let it in. */
  readonly keys?: readonly IssuedKey[];
  /** Digests of the keys that a manager's server may show to another's: the newest last. */
  readonly pins?: readonly string[];
  /** When each of them was last asked for or shown, ms. */
  readonly pinsSeenAt?: Readonly<Record<string, number>>;
  /** Set on managers from when they have told where they are. */
  readonly manager?: ManagerPlace;
  /** The last ones, oldest first. */
  readonly outages?: readonly Outage[];
  /** While the node is down because its engine is away, though its agent is there: since when, ms. */
  readonly engineAwaySince?: number;
  /** While the node is down: until then it keeps its tasks, ms. */
  readonly heldUntil?: number;
  /** While the node is ready: until then it gets no new tasks, ms. */
  readonly restUntil?: number;
  /** Until then it is not let in to the bus, because it had sent too much, ms. */
  readonly barredUntil?: number;
}

export type UpdateState =
  | 'updating'
  | 'paused'
  | 'completed'
  | 'rollback_started'
  | 'rollback_paused'
  | 'rollback_completed';
export interface UpdateStatus {
  readonly state: UpdateState;
  readonly message: string;
  readonly startedAt?: number;
  readonly completedAt?: number;
}
/** What a running update must remember beyond what the tasks tell; lives in the store so a new leader goes on with it. */
export interface UpdateProgress {
  /** How many tasks made by this update failed before running or within `Monitor`. */
  readonly failed: number;
  /** Slots (or nodes) that were dirty when the update began. */
  readonly total: number;
}

export interface Service extends Stored {
  readonly id: string;
  readonly spec: ServiceSpec;
  /** Counts the specs of this service: 1 at creation, +1 with every update or rollback. Never goes back. */
  readonly specVersion: number;
  readonly previousSpec?: ServiceSpec;
  readonly updateStatus?: UpdateStatus;
  readonly updateProgress?: UpdateProgress;
}

export interface ContainerStatus {
  readonly id: string;
  readonly pid: number;
  readonly exitCode: number;
}
export interface TaskStatus {
  readonly state: TaskState;
  /** When the state was observed, ms. */
  readonly at: number;
  readonly message: string;
  readonly err?: string;
  readonly container?: ContainerStatus;
  readonly ports?: readonly PortConfig[];
}

export interface Task extends Stored {
  readonly id: string;
  readonly serviceId: string;
  /** 1..N for replicated services, 0 for global ones. */
  readonly slot: number;
  /** '' until a node is chosen. Global tasks have theirs from birth. */
  readonly nodeId: string;
  readonly spec: TaskSpec;
  /** The service's `specVersion` when the task was made. */
  readonly specVersion: number;
  readonly serviceName: string;
  readonly serviceLabels: Labels;
  /** The service's EndpointSpec when the task was made (host ports, dirty check). */
  readonly endpoint?: EndpointSpec;
  readonly status: TaskStatus;
  readonly desired: DesiredState;
  /** When the task was first seen running, ms; the update monitor counts from here. */
  readonly runningAt?: number;
  /** A replacement waits with desired `ready` until this time (restart delay), ms. */
  readonly startAfter?: number;
  /** The task that this one replaces; it starts only once that one has stopped. */
  readonly replaces?: string;
  /** Made by a rolling update or rollback (not by a restart): watched by its monitor. */
  readonly byUpdate?: boolean;
  /** The later spec version whose update goes on with the task; absent: the one that made it. */
  readonly takenOverBy?: number;
  /** Tasks of this slot and spec version that ended before this one and were restarted; absent: none. */
  readonly restarts?: number;
}

/** Docker's name of a task: `service.slot` or `service.nodeId`; containers add `.taskId`. */
export const taskName = (t: Pick<Task, 'serviceName' | 'slot' | 'nodeId'>): string =>
  `${t.serviceName}.${t.slot > 0 ? t.slot : t.nodeId}`;
