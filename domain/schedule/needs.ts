import type { Task } from '../model/objects.ts';
import type { DiscreteOrNamedResource } from '../model/spec.ts';

/** What a task takes of its node. */
export interface Needs {
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  readonly generic: readonly { readonly kind: string; readonly count: number }[];
  /** Host-mode ports, as `tcp/8080`: one task per node may have each. */
  readonly ports: readonly string[];
}

const none: readonly never[] = [];
export const noNeeds: Needs = { nanoCpus: 0, memoryBytes: 0, generic: none, ports: none };

export function needsOf(task: Pick<Task, 'spec' | 'endpoint'>): Needs {
  const reserved = task.spec.Resources?.Reservations;
  const ports = task.endpoint?.Ports?.filter(
    (port) => port.PublishMode === 'host' && (port.PublishedPort ?? 0) !== 0,
  );
  return {
    nanoCpus: reserved?.NanoCPUs ?? 0,
    memoryBytes: reserved?.MemoryBytes ?? 0,
    generic: reserved?.GenericResources?.map(countOf) ?? none,
    ports: ports?.map((port) => `${port.Protocol}/${port.PublishedPort}`) ?? none,
  };
}

/** Named resources (a GPU by its id) count as one of their kind each. */
export function countOf(resource: DiscreteOrNamedResource): { kind: string; count: number } {
  const { DiscreteResourceSpec: discrete, NamedResourceSpec: named } = resource;
  return discrete === undefined
    ? { kind: named?.Kind ?? '', count: named === undefined ? 0 : 1 }
    : { kind: discrete.Kind, count: discrete.Value };
}
