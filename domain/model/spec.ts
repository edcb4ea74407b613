/**
 * Specs as users write them. They keep the field names of Docker's API: a spec travels untouched from the
 * client through log, store and bus to the agent, so there is one spelling of it.
 * All durations are nanoseconds, as in Docker's API. A stored spec is canonical: see `domain/spec/`.
 */
export type Labels = Readonly<Record<string, string>>;

export interface Annotations {
  readonly Name: string;
  readonly Labels: Labels;
}

export interface RestartPolicy {
  readonly Condition?: 'none' | 'on-failure' | 'any';
  readonly Delay?: number;
  readonly MaxAttempts?: number;
  readonly Window?: number;
}

export interface DiscreteOrNamedResource {
  readonly NamedResourceSpec?: { readonly Kind: string; readonly Value: string };
  readonly DiscreteResourceSpec?: { readonly Kind: string; readonly Value: number };
}
export interface Limits {
  readonly NanoCPUs?: number;
  readonly MemoryBytes?: number;
  readonly Pids?: number;
}
export interface Reservations {
  readonly NanoCPUs?: number;
  readonly MemoryBytes?: number;
  readonly GenericResources?: readonly DiscreteOrNamedResource[];
}
export interface ResourceRequirements {
  readonly Limits?: Limits;
  readonly Reservations?: Reservations;
}

export interface Platform {
  readonly Architecture?: string;
  readonly OS?: string;
}
export interface Placement {
  readonly Constraints?: readonly string[];
  readonly Preferences?: readonly { readonly Spread?: { readonly SpreadDescriptor: string } }[];
  readonly MaxReplicas?: number;
  readonly Platforms?: readonly Platform[];
}

export type MountType = 'bind' | 'volume' | 'tmpfs' | 'npipe' | 'cluster';
export interface Mount {
  readonly Type: MountType;
  readonly Source?: string;
  readonly Target?: string;
  readonly ReadOnly?: boolean;
  readonly BindOptions?: { readonly Propagation?: string; readonly NonRecursive?: boolean };
  readonly VolumeOptions?: {
    readonly NoCopy?: boolean;
    readonly Labels?: Labels;
    readonly Subpath?: string;
    readonly DriverConfig?: { readonly Name?: string; readonly Options?: Labels };
  };
  readonly TmpfsOptions?: {
    readonly SizeBytes?: number;
    readonly Mode?: number;
    readonly Options?: readonly (readonly string[])[];
  };
}

export interface Healthcheck {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

export interface ContainerSpec {
  readonly Image: string;
  readonly Labels?: Labels;
  readonly Command?: readonly string[];
  readonly Args?: readonly string[];
  readonly Hostname?: string;
  readonly Env?: readonly string[];
  readonly Dir?: string;
  readonly User?: string;
  readonly Groups?: readonly string[];
  readonly Privileges?: Readonly<Record<string, unknown>> | null;
  readonly TTY?: boolean;
  readonly OpenStdin?: boolean;
  readonly ReadOnly?: boolean;
  readonly Mounts?: readonly Mount[];
  readonly StopSignal?: string;
  readonly StopGracePeriod?: number;
  readonly Healthcheck?: Healthcheck;
  readonly Hosts?: readonly string[];
  readonly DNSConfig?: {
    readonly Nameservers?: readonly string[];
    readonly Search?: readonly string[];
    readonly Options?: readonly string[];
  };
  readonly Secrets?: readonly Readonly<Record<string, unknown>>[];
  readonly Configs?: readonly Readonly<Record<string, unknown>>[];
  readonly Isolation?: string;
  readonly Init?: boolean | null;
  readonly Sysctls?: Labels;
  readonly CapabilityAdd?: readonly string[];
  readonly CapabilityDrop?: readonly string[];
  readonly Ulimits?: readonly {
    readonly Name: string;
    readonly Soft: number;
    readonly Hard: number;
  }[];
  readonly OomScoreAdj?: number;
  /** Registry credentials (base64url JSON of X-Registry-Auth); stored with the spec, never shown by the API. */
  readonly PullOptions?: { readonly RegistryAuth: string };
}

export interface NetworkAttachmentConfig {
  readonly Target: string;
  readonly Aliases?: readonly string[];
  readonly DriverOpts?: Labels;
}

export interface TaskSpec {
  readonly ContainerSpec: ContainerSpec;
  readonly Resources?: ResourceRequirements;
  readonly RestartPolicy?: RestartPolicy;
  readonly Placement?: Placement;
  readonly Networks?: readonly NetworkAttachmentConfig[];
  readonly LogDriver?: { readonly Name: string; readonly Options?: Labels };
  readonly ForceUpdate: number;
  readonly Runtime?: string;
}

export interface UpdateConfig {
  readonly Parallelism: number;
  readonly Delay?: number;
  readonly FailureAction?: 'pause' | 'continue' | 'rollback';
  readonly Monitor?: number;
  readonly MaxFailureRatio: number;
  readonly Order?: 'stop-first' | 'start-first';
}

export interface PortConfig {
  readonly Name?: string;
  readonly Protocol: 'tcp' | 'udp' | 'sctp';
  readonly TargetPort: number;
  readonly PublishedPort?: number;
  readonly PublishMode: 'ingress' | 'host';
}
export interface EndpointSpec {
  readonly Mode?: 'vip' | 'dnsrr';
  readonly Ports?: readonly PortConfig[];
}

/** Exactly one is set. Jobs come with a later version and are refused until then. */
export interface ServiceMode {
  readonly Replicated?: { readonly Replicas: number };
  readonly Global?: Readonly<Record<string, never>>;
}

export interface ServiceSpec extends Annotations {
  readonly TaskTemplate: TaskSpec;
  readonly Mode: ServiceMode;
  readonly UpdateConfig?: UpdateConfig;
  readonly RollbackConfig?: UpdateConfig;
  readonly EndpointSpec?: EndpointSpec;
}

export type NodeRole = 'worker' | 'manager';
export type Availability = 'active' | 'pause' | 'drain';
export interface NodeSpec {
  readonly Name?: string;
  readonly Labels: Labels;
  readonly Role: NodeRole;
  readonly Availability: Availability;
}

export interface ExternalCa {
  readonly Protocol: string;
  readonly URL: string;
  readonly Options?: Labels;
  readonly CACert?: string;
}
/** Swarm.Spec of Docker's API. */
export interface ClusterSpec extends Annotations {
  readonly Orchestration: { readonly TaskHistoryRetentionLimit: number };
  readonly Raft: {
    readonly SnapshotInterval: number;
    readonly KeepOldSnapshots: number;
    readonly LogEntriesForSlowFollowers: number;
    readonly ElectionTick: number;
    readonly HeartbeatTick: number;
  };
  readonly Dispatcher: { readonly HeartbeatPeriod: number };
  readonly CAConfig: {
    readonly NodeCertExpiry: number;
    readonly ExternalCAs?: readonly ExternalCa[];
    readonly ForceRotate?: number;
  };
  readonly TaskDefaults: Readonly<Record<string, never>>;
  readonly EncryptionConfig: { readonly AutoLockManagers: boolean };
}
