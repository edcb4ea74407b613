import type { ContainerInspectInfo } from 'dockerode';
import type { ContainerStatus, NodeDescription, Task } from '../../../domain/model/objects.ts';
import type { PortConfig } from '../../../domain/model/spec.ts';
import { compareText } from '../../../domain/ids.ts';
import type { Exit, Found, Run } from '../ports.ts';
import { hostPorts } from './docker-config.ts';

/** What natswarm reads out of the engine's answers. Pure. */
export interface Facts {
  readonly id: string;
  readonly pid: number;
  readonly exitCode: number;
  /** Whether it has ever been started. */
  readonly isStarted: boolean;
  readonly isRunning: boolean;
  /** Absent without a health check. */
  readonly health?: 'starting' | 'healthy' | 'unhealthy';
  readonly isOutOfMemory: boolean;
  readonly ports: readonly PortConfig[];
}

const never = '0001-01-01T00:00:00Z';

export function factsOf(info: ContainerInspectInfo, task: Task): Facts {
  const { State: state } = info;
  const health = state.Health?.Status;
  return {
    id: info.Id,
    pid: state.Pid,
    exitCode: state.ExitCode,
    isStarted: state.StartedAt !== never && state.StartedAt !== '',
    isRunning: state.Running,
    ...(health === 'starting' || health === 'healthy' || health === 'unhealthy' ? { health } : {}),
    isOutOfMemory: state.OOMKilled,
    ports: boundPorts(info.NetworkSettings.Ports, hostPorts(task)),
  };
}

type EnginePorts = Readonly<Record<string, readonly { readonly HostPort: string }[] | null>>;

/**
 * The bindings in natswarm's shape, with their names. The engine lists IPv4 and IPv6 apart, Swarm shows such a port
 * twice; here once.
 */
function boundPorts(
  engine: EnginePorts | null,
  wanted: readonly PortConfig[],
): readonly PortConfig[] {
  const ports = new Map<string, PortConfig>();
  for (const [key, bindings] of Object.entries(engine ?? {})) {
    const [target = '', protocol = 'tcp'] = key.split('/');
    for (const { HostPort } of bindings ?? []) {
      const port = {
        Protocol: protocol as PortConfig['Protocol'],
        TargetPort: Number(target),
        PublishedPort: Number(HostPort),
        PublishMode: 'host' as const,
      };
      const name = wanted.find(
        (w) =>
          w.TargetPort === port.TargetPort &&
          w.Protocol === port.Protocol &&
          [0, port.PublishedPort].includes(w.PublishedPort ?? 0),
      )?.Name;
      ports.set(`${key} ${HostPort}`, name === undefined ? port : { Name: name, ...port });
    }
  }
  return [...ports.values()].toSorted(
    (a, b) =>
      a.TargetPort - b.TargetPort ||
      compareText(a.Protocol, b.Protocol) ||
      (a.PublishedPort ?? 0) - (b.PublishedPort ?? 0),
  );
}

export const hasEnded = (facts: Facts): boolean => facts.isStarted && !facts.isRunning;

export const runOf = ({ id, pid, exitCode, ports }: Facts): Run => ({
  container: { id, pid, exitCode },
  ports,
});

/** Out of memory explains failures only: a container may end well although a child of it was killed for that. */
export function exitOf({ id, exitCode, isOutOfMemory }: Facts): Exit {
  const container = { id, pid: 0, exitCode };
  return exitCode !== 0 && isOutOfMemory ? { container, reason: 'out of memory' } : { container };
}

export function foundOf(facts: Facts | undefined): Found {
  if (facts === undefined) return { kind: 'absent' };
  if (facts.isRunning) return { kind: 'running', run: runOf(facts) };
  return facts.isStarted
    ? { kind: 'exited', exit: exitOf(facts) }
    : { kind: 'created', container: createdOf(facts.id) };
}

/** A container that was made and never started. */
export const createdOf = (id: string): ContainerStatus => ({ id, pid: 0, exitCode: 0 });

/** The parts of `GET /info` that describe a node. */
export interface EngineInfo {
  readonly Name: string;
  readonly Architecture: string;
  readonly OSType: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly ServerVersion: string;
  readonly Labels: readonly string[] | null;
  readonly Plugins: {
    readonly Volume?: readonly string[] | null;
    readonly Network?: readonly string[] | null;
    readonly Authorization?: readonly string[] | null;
    readonly Log?: readonly string[] | null;
  };
}

/** As Swarm describes a node: labels as a map, plugins sorted by type and name. */
export function descriptionOf(info: EngineInfo): NodeDescription {
  const types = ['Authorization', 'Log', 'Network', 'Volume'] as const;
  return {
    hostname: info.Name,
    platform: { architecture: info.Architecture, os: info.OSType },
    resources: { nanoCpus: info.NCPU * 1e9, memoryBytes: info.MemTotal },
    engine: {
      version: info.ServerVersion,
      labels: Object.fromEntries((info.Labels ?? []).map(keyAndValue)),
      plugins: types.flatMap((type) =>
        [...new Set(info.Plugins[type] ?? [])]
          .toSorted(compareText)
          .map((name) => ({ type, name })),
      ),
    },
  };
}

function keyAndValue(label: string): readonly [string, string] {
  const at = label.indexOf('=');
  return at < 0 ? [label, ''] : [label.slice(0, at), label.slice(at + 1)];
}
