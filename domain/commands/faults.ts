import { Fault } from '../errors.ts';
import type { Stored } from '../model/objects.ts';

/** `kind` as in Docker's texts: `service X not found`. */
export const notFound = (kind: string, id: string): Fault =>
  new Fault('NotFound', `${kind} ${id} not found`);

/** Refuses a write by somebody who has not seen the object's newest state. Swarm's code for it is Unknown. */
export function checkVersion(object: Stored, version: number): void {
  if (object.meta.version !== version) throw new Fault('Unknown', 'update out of sequence');
}
