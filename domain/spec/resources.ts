import type {
  DiscreteOrNamedResource,
  Limits,
  Reservations,
  ResourceRequirements,
} from '../model/spec.ts';
import { compact } from './compact.ts';
import type { TypeOf } from './decode.ts';
import { always, int64, list, omitEmpty, pointer, struct, text } from './decode.ts';
import { invalid } from './faults.ts';
import { formatG } from './go-text.ts';

const limit = struct('swarm.Limit', {
  NanoCPUs: omitEmpty(int64()),
  MemoryBytes: omitEmpty(int64()),
  Pids: omitEmpty(int64(), 41),
});
export const genericType = struct('swarm.GenericResource', {
  NamedResourceSpec: pointer(
    struct('swarm.NamedGenericResource', { Kind: always(text()), Value: always(text()) }),
  ),
  DiscreteResourceSpec: pointer(
    struct('swarm.DiscreteGenericResource', { Kind: always(text()), Value: always(int64()) }),
  ),
});
export const resourcesType = struct('swarm.ResourceRequirements', {
  Limits: pointer(limit),
  Reservations: pointer(
    struct('swarm.Resources', {
      NanoCPUs: omitEmpty(int64()),
      MemoryBytes: omitEmpty(int64()),
      GenericResources: omitEmpty(list(genericType)),
    }),
  ),
});

/** One of the two forms of a generic resource is kept, the discrete one first. */
function genericsFrom(
  all: readonly TypeOf<typeof genericType>[] | undefined,
): DiscreteOrNamedResource[] | undefined {
  const known = all?.flatMap(
    ({ DiscreteResourceSpec, NamedResourceSpec }): DiscreteOrNamedResource[] => {
      if (DiscreteResourceSpec !== undefined) return [{ DiscreteResourceSpec }];
      return NamedResourceSpec === undefined ? [] : [{ NamedResourceSpec }];
    },
  );
  return known?.length === 0 ? undefined : known;
}

export function resourcesFrom(wire: TypeOf<typeof resourcesType>): ResourceRequirements {
  const { Limits, Reservations } = wire;
  if (Reservations === undefined) return wire as { readonly Limits?: Limits };
  const GenericResources = genericsFrom(Reservations.GenericResources);
  return compact({ Limits, Reservations: compact({ ...Reservations, GenericResources }) });
}

const leastNanoCpus = 1e6;
const leastMemoryBytes = 4 * 1024 * 1024;

function check(amounts: Limits | Reservations | undefined): void {
  const { NanoCPUs = 0, MemoryBytes = 0 } = amounts ?? {};
  if (NanoCPUs !== 0 && NanoCPUs < leastNanoCpus)
    throw invalid(
      `invalid cpu value ${formatG(NanoCPUs / 1e9)}: Must be at least ${formatG(leastNanoCpus / 1e9)}`,
    );
  if (MemoryBytes !== 0 && MemoryBytes < leastMemoryBytes)
    throw invalid(`invalid memory value ${MemoryBytes}: Must be at least 4MiB`);
}

export function checkResources(resources: ResourceRequirements | undefined): void {
  check(resources?.Limits);
  check(resources?.Reservations);
}
