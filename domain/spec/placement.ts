import type { Placement } from '../model/spec.ts';
import { parseConstraints } from '../schedule/constraint.ts';
import { compact } from './compact.ts';
import type { TypeOf } from './decode.ts';
import { always, list, nullable, omitEmpty, struct, text, uint64 } from './decode.ts';

export const placementType = struct('swarm.Placement', {
  Constraints: omitEmpty(list(text())),
  Preferences: omitEmpty(
    list(
      struct('swarm.PlacementPreference', {
        Spread: nullable(struct('swarm.SpreadOver', { SpreadDescriptor: always(text()) })),
      }),
    ),
  ),
  MaxReplicas: omitEmpty(uint64, 40),
  Platforms: omitEmpty(
    list(struct('swarm.Platform', { Architecture: omitEmpty(text()), OS: omitEmpty(text()) })),
  ),
});

export function placementFrom(wire: TypeOf<typeof placementType>): Placement {
  const { Constraints, MaxReplicas, Platforms } = wire;
  const spreads = wire.Preferences?.flatMap(({ Spread }) => (Spread === null ? [] : [{ Spread }]));
  const Preferences = spreads?.length === 0 ? undefined : spreads;
  return compact({ Constraints, Preferences, MaxReplicas, Platforms });
}

export function checkPlacement(placement: Placement | undefined): void {
  parseConstraints(placement?.Constraints ?? []);
}
