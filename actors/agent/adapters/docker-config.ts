import { taskName, type Task } from '../../../domain/model/objects.ts';
import type { ContainerSpec, Labels, Mount, PortConfig } from '../../../domain/model/spec.ts';
import { expandTemplate, type TemplateData } from '../../../domain/spec/template.ts';
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

export const stopGraceSecondsDefault = 10;

/** `service.slot.taskId`, for global services `service.nodeId.taskId`. */
export const containerName = (task: Task): string => `${taskName(task)}.${task.id}`;

/** What templates may say of the node. */
export type TemplateNode = Omit<TemplateData['Node'], 'ID'>;

/** Most tasks have no template, and need not know their node. */
export function hasTemplates({ spec }: Task): boolean {
  const { Env = [], Hostname = '', Mounts = [] } = spec.ContainerSpec;
  return JSON.stringify([Env, Hostname, Mounts]).includes('{{');
}

/** `node` is needed where the task has templates. Throws an `EngineError` for what no engine would take. */
export function createBody(task: Task, node?: TemplateNode) {
  const expand = expander(task, node);
  const spec = task.spec.ContainerSpec;
  return {
    Image: withTag(spec.Image),
    Labels: containerLabels(task),
    Env: spec.Env?.map(expand),
    Entrypoint: filled(spec.Command),
    Cmd: filled(spec.Args),
    Hostname: spec.Hostname === undefined ? undefined : expand(spec.Hostname),
    User: spec.User,
    WorkingDir: spec.Dir,
    Tty: spec.TTY,
    OpenStdin: spec.OpenStdin,
    StopSignal: spec.StopSignal,
    StopTimeout: spec.StopGracePeriod === undefined ? undefined : stopGraceSeconds(spec),
    Healthcheck: spec.Healthcheck,
    ExposedPorts: Object.fromEntries(hostPorts(task).map((port) => [enginePort(port), {}])),
    HostConfig: hostConfig(
      task,
      (spec.Mounts ?? []).map((mount) => engineMount(mount, expand)),
    ),
  };
}
export type CreateBody = ReturnType<typeof createBody>;

function hostConfig(task: Task, mounts: readonly EngineMount[]) {
  const spec = task.spec.ContainerSpec;
  const bounds = task.spec.Resources?.Limits;
  const log = task.spec.LogDriver;
  return {
    RestartPolicy: { Name: 'no' },
    NetworkMode: networkMode(task),
    PortBindings: portBindings(task),
    Mounts: mounts,
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

type EngineMount = Omit<Mount, 'Type'> & { readonly Type: string };

/** Keeps what Swarm keeps of a mount (swarm-compat §3.1, Mounts) and checks what it checks, after expansion. */
function engineMount(mount: Mount, expand: (text: string) => string): EngineMount {
  // Swarm's zero value of the type is bind
  const type: string = mount.Type ?? 'bind';
  const source = expand(mount.Source ?? '');
  const target = expand(mount.Target ?? '');
  checkMount(type, source, target);
  return {
    Type: type,
    Source: source,
    Target: target,
    ...given('ReadOnly', mount.ReadOnly),
    ...given('BindOptions', mount.BindOptions && bindOptions(mount.BindOptions)),
    ...given('VolumeOptions', mount.VolumeOptions && volumeOptions(mount.VolumeOptions, expand)),
    ...given('TmpfsOptions', mount.TmpfsOptions),
  };
}

function checkMount(type: string, source: string, target: string): void {
  const isAbsolute = (path: string): boolean => path.startsWith('/');
  const refuse = (text: string): never => {
    throw new EngineError(text, false);
  };
  if (!isAbsolute(target) && type !== 'npipe')
    refuse(`invalid mount target, must be an absolute path: ${target}`);
  switch (type) {
    case 'bind':
      if (!isAbsolute(source))
        refuse(`invalid bind mount source, must be an absolute path: ${source}`);
      return;
    case 'volume':
      if (isAbsolute(source))
        refuse(`invalid volume mount source, must not be an absolute path: ${source}`);
      return;
    case 'tmpfs':
      if (source !== '') refuse('invalid tmpfs source, source must be empty');
      return;
    case 'npipe':
      if (source === '') refuse('invalid npipe source, source must not be empty');
      return;
    default:
      refuse(`invalid mount type: ${type}`);
  }
}

const bindOptions = ({ Propagation, NonRecursive }: NonNullable<Mount['BindOptions']>) => ({
  ...given('Propagation', Propagation),
  ...given('NonRecursive', NonRecursive),
});

function volumeOptions(
  options: NonNullable<Mount['VolumeOptions']>,
  expand: (text: string) => string,
): NonNullable<Mount['VolumeOptions']> {
  const all = (map: Labels | undefined): Labels | undefined =>
    map && Object.fromEntries(Object.entries(map).map(([k, v]) => [k, expand(v)]));
  const driver = options.DriverConfig;
  return {
    ...given('NoCopy', options.NoCopy),
    ...given('Labels', all(options.Labels)),
    ...given('Subpath', options.Subpath),
    ...given(
      'DriverConfig',
      driver && { ...given('Name', driver.Name), ...given('Options', all(driver.Options)) },
    ),
  };
}

/** `{[key]: value}`, or nothing at all. */
const given = <K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } =>
  value === undefined ? {} : ({ [key]: value } as { [P in K]: V });

function expander(task: Task, node: TemplateNode | undefined): (text: string) => string {
  const data = (): TemplateData => ({
    Service: { ID: task.serviceId, Name: task.serviceName, Labels: task.serviceLabels },
    Node: {
      ...(node ?? { Hostname: '', Platform: { Architecture: '', OS: '' } }),
      ID: task.nodeId,
    },
    Task: {
      ID: task.id,
      Name: containerName(task),
      Slot: task.slot > 0 ? String(task.slot) : task.nodeId,
    },
  });
  return (text) => {
    if (!text.includes('{{')) return text;
    try {
      return expandTemplate(text, data());
    } catch (error) {
      throw new EngineError(error instanceof Error ? error.message : String(error), false);
    }
  };
}
