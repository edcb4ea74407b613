import type { Node, Task } from '../model/objects.ts';
import type { Platform, TaskSpec } from '../model/spec.ts';
import { nodeMatches, parseConstraints } from './constraint.ts';
import { needsOf } from './needs.ts';
import type { Host } from './node-set.ts';

/** One reason why a task may not go to a node. */
export interface Filter {
  readonly accepts: (host: Host) => boolean;
  /** Says that the filter refused `count` nodes, of which `first` is one, in Swarm's words. */
  readonly explain: (count: number, first: Host) => string;
}

const nodes = (count: number): string => (count === 1 ? '1 node' : `${count} nodes`);

/** The filters that matter to the task, in Swarm's order (swarm-compat §4.5). */
export function filtersOf(task: Task): readonly Filter[] {
  return [
    readable,
    ready,
    ...resources(task),
    ...plugins(task.spec),
    ...constraints(task.spec),
    ...platforms(task.spec),
    ...hostPorts(task),
    ...maxReplicas(task),
  ];
}

const readable: Filter = {
  accepts: (host) => host.flaw === undefined,
  explain: (count, { node, flaw }) => `unreadable record of ${nodes(count)} (${node.id}: ${flaw})`,
};

const ready: Filter = {
  accepts: (host) => host.isReady,
  explain: (count) => `${nodes(count)} not available for new tasks`,
};

function resources(task: Task): readonly Filter[] {
  const needs = needsOf(task);
  if (needs.nanoCpus === 0 && needs.memoryBytes === 0 && needs.generic.length === 0) return [];
  return [
    {
      accepts: ({ capacity }) => capacity.fits(needs),
      explain: (count) => `insufficient resources on ${nodes(count)}`,
    },
  ];
}

function plugins(spec: TaskSpec): readonly Filter[] {
  const volumes = (spec.ContainerSpec.Mounts ?? []).flatMap((mount) => {
    const name = mount.Type === 'volume' ? mount.VolumeOptions?.DriverConfig?.Name : undefined;
    return name === undefined || name === '' || name === 'local' ? [] : [name];
  });
  const log = spec.LogDriver?.Name ?? '';
  const needsLog = log !== '' && log !== 'none';
  if (volumes.length === 0 && !needsLog) return [];
  return [
    {
      accepts: ({ node }) =>
        volumes.every((name) => hasPlugin(node, 'Volume', name)) &&
        // A node that tells of no log driver at all is not asked for one.
        (!needsLog || !tellsOf(node, 'Log') || hasPlugin(node, 'Log', log)),
      explain: (count) => `missing plugin on ${nodes(count)}`,
    },
  ];
}

const pluginsOf = (node: Node) => node.description?.engine.plugins ?? [];
const tellsOf = (node: Node, type: string): boolean =>
  pluginsOf(node).some((plugin) => plugin.type === type);
const hasPlugin = (node: Node, type: string, name: string): boolean =>
  pluginsOf(node).some(
    (plugin) => plugin.type === type && (plugin.name === name || plugin.name === `${name}:latest`),
  );

function constraints(spec: TaskSpec): readonly Filter[] {
  const parsed = parseConstraints(spec.Placement?.Constraints ?? []);
  if (parsed.length === 0) return [];
  return [
    {
      accepts: ({ node }) => nodeMatches(parsed, node),
      explain: (count) => `scheduling constraints not satisfied on ${nodes(count)}`,
    },
  ];
}

function platforms(spec: TaskSpec): readonly Filter[] {
  const wanted = (spec.Placement?.Platforms ?? []).map(normalized);
  if (wanted.length === 0) return [];
  return [
    {
      accepts: ({ node }) => {
        const found = node.description?.platform;
        if (found === undefined) return false;
        const { os, arch } = normalized({ OS: found.os, Architecture: found.architecture });
        return wanted.some(
          (p) => (p.os === '' || p.os === os) && (p.arch === '' || p.arch === arch),
        );
      },
      explain: (count) => `unsupported platform on ${nodes(count)}`,
    },
  ];
}

const normalized = ({ OS = '', Architecture = '' }: Platform): { os: string; arch: string } => ({
  os: OS.toLowerCase(),
  arch: architectures.get(Architecture.toLowerCase()) ?? Architecture.toLowerCase(),
});
/** Kernel names of what image indexes call by Go's names. */
const architectures: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['aarch64', 'arm64'],
]);

function hostPorts(task: Task): readonly Filter[] {
  const needs = needsOf(task);
  if (needs.ports.length === 0) return [];
  return [
    {
      accepts: ({ capacity }) => capacity.hasPorts(needs),
      explain: (count) => `host-mode port already in use on ${nodes(count)}`,
    },
  ];
}

function maxReplicas({ spec, serviceId }: Task): readonly Filter[] {
  const max = spec.Placement?.MaxReplicas ?? 0;
  if (max === 0) return [];
  return [
    {
      accepts: ({ activeOf }) => (activeOf.get(serviceId) ?? 0) < max,
      explain: () => 'max replicas per node limit exceed',
    },
  ];
}
