import type { Node } from '../model/objects.ts';

/** What runs on it is lost. */
export const isGivenUp = ({ status, heldUntil }: Node): boolean =>
  status.state === 'down' && heldUntil === undefined;

/**
 * A task on it may still run although it was told to end: it answers, or its engine is away, in which case containers are
 * taken to live for the grace.
 */
export const mayRunOn = ({ status, engineAwaySince, heldUntil }: Node): boolean =>
  status.state !== 'down' || (engineAwaySince !== undefined && heldUntil !== undefined);

/** It keeps what it has and gets nothing new. */
export const isSuspended = ({ spec, heldUntil, restUntil }: Node): boolean =>
  spec.Availability === 'pause' || heldUntil !== undefined || restUntil !== undefined;
