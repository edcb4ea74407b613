import type { Node } from '../model/objects.ts';

/** What runs on it is lost. */
export const isGivenUp = ({ status, heldUntil }: Node): boolean =>
  status.state === 'down' && heldUntil === undefined;

/** It keeps what it has and gets nothing new. */
export const isHolding = ({ spec, heldUntil, restUntil }: Node): boolean =>
  spec.Availability === 'pause' || heldUntil !== undefined || restUntil !== undefined;
