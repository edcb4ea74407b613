import { Fault } from '../errors.ts';
import type { Stored } from '../model/objects.ts';

/** `kind` as in Docker's texts: `service X not found`. */
export const notFound = (kind: string, id: string): Fault =>
  new Fault('NotFound', `${kind} ${id} not found`);

/**
 * Refuses a spec by somebody who has not seen the one that it replaces; Swarm's code for it is Unknown. Where the store
 * knows when the spec was written, what else has changed of the object does not matter: Swarm refuses `node promote`
 * because the node became ready meanwhile, and `service update` because another update has just ended.
 */
export function checkVersion({ meta }: Stored, version: number): void {
  if (version < (meta.versionOfSpec ?? meta.version) || version > meta.version)
    throw new Fault('Unknown', 'update out of sequence');
}
