import type { Stored } from '../model/objects.ts';

/** What the store must know of one kind of stored object. A new kind is a file that makes one, and its row in `table.ts`. */
export interface KindRow<T extends Stored, Index extends string> {
  /** Users write its spec while the rest changes by itself: the spec has a version of its own (`Meta.versionOfSpec`). */
  readonly hasVersionOfSpec: boolean;
  /** By the index's name: the key under which an object is found, and undefined for one that is not to be found by it. */
  readonly indexes: Readonly<Record<Index, (object: T) => string | undefined>>;
}

/** A row of objects of the type T; the names of its indexes are inferred. */
export const kindOf =
  <T extends Stored>() =>
  <Index extends string = never>(row: KindRow<T, Index>): KindRow<T, Index> =>
    row;
