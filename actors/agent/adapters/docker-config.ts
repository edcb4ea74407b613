import { Fault } from '../../../domain/errors.ts';
import { taskName, type Task } from '../../../domain/model/objects.ts';
import type { ContainerSpec, Labels, Mount, PortConfig } from '../../../domain/model/spec.ts';
import { expandContainer } from '../../../domain/spec/expand.ts';
import { isTemplate, type TemplateData } from '../../../domain/spec/template/template.ts';
import { EngineError } from '../ports.ts';

/*
 * Task → body of the engine's `POST /containers/create` (swarm-compat §3.5). Pure. Fields that are undefined vanish
 * in JSON, and an absent one means the image's or the engine's default.
 */

const labelPrefix = 'com.docker.swarm';
export const labels = {
  task: `${labelPrefix}.task`,
  taskId: `${labelPrefix}.task.id`,
  nodeId: `${labelPrefix}.node.id`,
} as const;

const stopGraceSecondsDefault = 10;

/** `service.slot.taskId`, for global services `service.nodeId.taskId`. */
export const containerName = (task: Task): string => `${taskName(task)}.${task.id}`;

/** What templates may say of the node. */
export type TemplateNode = Omit<TemplateData['Node'], 'ID'>;

/** Most tasks have no template, and need not know their node. */
export function hasTemplates({ spec }: Task): boolean {
  const { Env = [], Hostname = '', Mounts = [] } = spec.ContainerSpec;
  return isTemplate(JSON.stringify([Env, Hostname, Mounts]));
}

/** `node` is to be given where the task has templates. Throws an `EngineError` for what no engine would take. */
export function createBody(task: Task, node?: TemplateNode) {
  const spec = expanded(task, node);
  spec.Mounts?.forEach(checkMount);
  return {
    Image: withTag(spec.Image),
    Labels: containerLabels(task),
    Env: spec.Env,
    Entrypoint: filled(spec.Command),
    Cmd: filled(spec.Args),
    Hostname: spec.Hostname,
    User: spec.User,
    WorkingDir: spec.Dir,
    Tty: spec.TTY,
    OpenStdin: spec.OpenStdin,
    StopSignal: spec.StopSignal,
    StopTimeout: spec.StopGracePeriod === undefined ? undefined : stopGraceSeconds(spec),
    Healthcheck: spec.Healthcheck,
    ExposedPorts: Object.fromEntries(hostPorts(task).map((port) => [enginePort(port), {}])),
    HostConfig: hostConfig(task, spec),
  };
}

function hostConfig(task: Task, spec: ContainerSpec) {
  const bounds = task.spec.Resources?.Limits;
  const log = task.spec.LogDriver;
  return {
    RestartPolicy: { Name: 'no' },
    NetworkMode: networkMode(task),
    PortBindings: portBindings(task),
    Mounts: spec.Mounts,
    ReadonlyRootfs: spec.ReadOnly,
    GroupAdd: spec.Groups,
    Init: spec.Init ?? undefined,
    Sysctls: spec.Sysctls,
    CapAdd: spec.CapabilityAdd,
    CapDrop: spec.CapabilityDrop,
    Ulimits: spec.Ulimits,
    OomScoreAdj: spec.OomScoreAdj,
    Isolation: spec.Isolation,
    SecurityOpt: securityOptions(spec),
    ExtraHosts: extraHosts(spec),
    Dns: spec.DNSConfig?.Nameservers,
    DnsSearch: spec.DNSConfig?.Search,
    DnsOptions: spec.DNSConfig?.Options,
    // reservations are the scheduler's: they never reach the container
    NanoCpus: bounds?.NanoCPUs,
    Memory: bounds?.MemoryBytes,
    PidsLimit: bounds?.Pids,
    LogConfig: log === undefined ? undefined : { Type: log.Name, Config: log.Options ?? {} },
  };
}

/** The spec's labels under Swarm's own, so that no user can pass a container off as another task's. */
const containerLabels = (task: Task): Labels => ({
  ...task.spec.ContainerSpec.Labels,
  [labels.task]: '',
  [labels.taskId]: task.id,
  [`${labelPrefix}.task.name`]: containerName(task),
  [labels.nodeId]: task.nodeId,
  [`${labelPrefix}.service.id`]: task.serviceId,
  [`${labelPrefix}.service.name`]: task.serviceName,
});

/** `name` → `name:latest`; a tag, a digest or an image ID stays as it is. */
export function withTag(image: string): string {
  if (isImageId(image)) return image;
  return /[:@]/.test(image.slice(image.lastIndexOf('/') + 1)) ? image : `${image}:latest`;
}

/** Names one content for ever, so that no registry knows a newer one. */
export const isPinned = (image: string): boolean => image.includes('@') || isImageId(image);
export const isImageId = (image: string): boolean => /^(sha256:)?[0-9a-f]{64}$/.test(image);

/** Seconds between stop signal and kill, whole ones as Swarm's. */
export const stopGraceSeconds = ({ StopGracePeriod }: ContainerSpec): number =>
  StopGracePeriod === undefined ? stopGraceSecondsDefault : Math.trunc(StopGracePeriod / 1e9);

/** An empty list means "the image's" to Swarm. */
const filled = (list: readonly string[] | undefined): readonly string[] | undefined =>
  list === undefined || list.length === 0 ? undefined : list;

export const hostPorts = (task: Task): readonly PortConfig[] =>
  (task.endpoint?.Ports ?? []).filter((port) => port.PublishMode === 'host');

const enginePort = (port: PortConfig): string => `${port.TargetPort}/${port.Protocol}`;

/** One target port may be published several times. No published port: the engine chooses one. */
function portBindings(task: Task): Record<string, { readonly HostPort: string }[]> {
  const bindings: Record<string, { readonly HostPort: string }[]> = {};
  for (const port of hostPorts(task))
    (bindings[enginePort(port)] ??= []).push({
      HostPort: (port.PublishedPort ?? 0) === 0 ? '' : String(port.PublishedPort),
    });
  return bindings;
}

/** Networks that every engine has; only the first of a task's networks can be one at creation. */
function networkMode(task: Task): string | undefined {
  const first = task.spec.Networks?.[0]?.Target;
  return first !== undefined && ['bridge', 'host', 'none'].includes(first) ? first : undefined;
}

/** `IP name alias…` → `name:IP`; Swarm uses the first name only. */
const extraHosts = (spec: ContainerSpec): readonly string[] | undefined =>
  spec.Hosts?.map((entry) => entry.trim().split(/\s+/)).flatMap(([ip, name]) =>
    name === undefined ? [] : [`${name}:${ip}`],
  );

interface Privileges {
  readonly SELinuxContext?: {
    readonly Disable?: boolean;
    readonly User?: string;
    readonly Role?: string;
    readonly Type?: string;
    readonly Level?: string;
  } | null;
  /** `Profile` is base64. */
  readonly Seccomp?: { readonly Mode?: string; readonly Profile?: string } | null;
  readonly AppArmor?: { readonly Mode?: string } | null;
  readonly NoNewPrivileges?: boolean;
}

/** Credential specs are Windows' own and not handed on. */
function securityOptions(spec: ContainerSpec): readonly string[] {
  const { SELinuxContext, Seccomp, AppArmor, NoNewPrivileges } = (spec.Privileges ??
    {}) as Privileges;
  const context = SELinuxContext ?? {};
  const options = (['User', 'Role', 'Type', 'Level'] as const).flatMap((part) =>
    context[part] ? [`label=${part.toLowerCase()}:${context[part]}`] : [],
  );
  if (context.Disable === true) options.unshift('label=disable');
  if (Seccomp?.Mode === 'unconfined') options.push('seccomp=unconfined');
  if (Seccomp?.Mode === 'custom')
    options.push(`seccomp=${Buffer.from(Seccomp.Profile ?? '', 'base64').toString()}`);
  if (AppArmor?.Mode === 'disabled') options.push('apparmor=unconfined');
  if (NoNewPrivileges === true) options.push('no-new-privileges=true');
  return options;
}

/** Swarm's checks on the node, made after templates are filled in. */
function checkMount({ Type, Source = '', Target = '' }: Mount): void {
  const isAbsolute = (path: string): boolean => path.startsWith('/');
  const refuse = (text: string): never => {
    throw new EngineError(text, false);
  };
  if (!isAbsolute(Target) && Type !== 'npipe')
    refuse(`invalid mount target, must be an absolute path: ${Target}`);
  switch (Type) {
    case 'bind':
      if (!isAbsolute(Source))
        refuse(`invalid bind mount source, must be an absolute path: ${Source}`);
      return;
    case 'volume':
      if (isAbsolute(Source))
        refuse(`invalid volume mount source, must not be an absolute path: ${Source}`);
      return;
    case 'tmpfs':
      if (Source !== '') refuse('invalid tmpfs source, source must be empty');
      return;
    case 'npipe':
      if (Source === '') refuse('invalid npipe source, source must not be empty');
      return;
    case 'cluster':
      refuse('cluster volumes are not supported by natswarm');
  }
}

/** The spec with its templates filled in. */
function expanded(task: Task, node: TemplateNode | undefined): ContainerSpec {
  const spec = task.spec.ContainerSpec;
  if (node === undefined) return spec;
  const data: TemplateData = {
    Service: { ID: task.serviceId, Name: task.serviceName, Labels: task.serviceLabels },
    Node: { ...node, ID: task.nodeId },
    Task: {
      ID: task.id,
      Name: containerName(task),
      Slot: task.slot > 0 ? String(task.slot) : task.nodeId,
    },
  };
  try {
    return expandContainer(spec, data);
  } catch (error) {
    throw error instanceof Fault ? new EngineError(error.message, false) : error;
  }
}
