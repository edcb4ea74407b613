import type { KindRow } from '../kinds/kind.ts';
import type { Stored } from '../model/objects.ts';

type Found<T> = ReadonlyMap<string, T>;

/** All objects of one kind, by ID and by the kind's indexes. Iteration is in the order of insertion. */
export class Collection<T extends Stored, Index extends string> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: readonly KeyIndex<T>[];
  readonly #named: ReadonlyMap<string, KeyIndex<T>>;
  readonly #none: Found<T> = new Map();

  constructor({ indexes }: KindRow<T, Index>) {
    this.#named = new Map(
      Object.entries<(object: T) => string | undefined>(indexes).map(([name, keyOf]) => [
        name,
        new KeyIndex(keyOf),
      ]),
    );
    this.#indexes = [...this.#named.values()];
  }

  get size(): number {
    return this.#objects.size;
  }
  get(id: string): T | undefined {
    return this.#objects.get(id);
  }
  all(): Iterable<T> {
    return this.#objects.values();
  }
  where(index: Index, key: string): Iterable<T> {
    return (this.#named.get(index)?.get(key) ?? this.#none).values();
  }

  set(object: T): void {
    const before = this.#objects.get(object.id);
    this.#objects.set(object.id, object);
    for (const index of this.#indexes) index.replace(before, object);
  }

  delete(object: T): void {
    this.#objects.delete(object.id);
    for (const index of this.#indexes) index.replace(object, undefined);
  }
}

class KeyIndex<T extends Stored> {
  readonly #keyOf: (object: T) => string | undefined;
  readonly #byKey = new Map<string, Map<string, T>>();

  constructor(keyOf: (object: T) => string | undefined) {
    this.#keyOf = keyOf;
  }

  get(key: string): Found<T> | undefined {
    return this.#byKey.get(key);
  }

  replace(before: T | undefined, after: T | undefined): void {
    const left = before && this.#keyOf(before);
    const key = after && this.#keyOf(after);
    if (before !== undefined && left !== undefined && left !== key) this.#drop(left, before.id);
    if (after === undefined || key === undefined) return;
    const found = this.#byKey.get(key);
    if (found === undefined) this.#byKey.set(key, new Map([[after.id, after]]));
    else found.set(after.id, after);
  }

  #drop(key: string, id: string): void {
    const found = this.#byKey.get(key);
    if (found?.delete(id) === true && found.size === 0) this.#byKey.delete(key);
  }
}
