/** The values that templates compute with, and what Go would call their types. */
import type { Labels } from '../../model/spec.ts';

export interface Struct {
  readonly kind: 'struct';
  /** As Go names the type in messages. */
  readonly type: string;
  readonly fields: ReadonlyMap<string, Value>;
}
export type Value =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'bool'; readonly value: boolean }
  /** A byte of a string is a uint8, every other integer an int. */
  | { readonly kind: 'int'; readonly type: 'int' | 'uint8'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'map'; readonly value: Labels }
  | Struct
  /** To the data of the template itself; there are no others. */
  | { readonly kind: 'pointer'; readonly to: Struct };
/** Nil has no type and no kind. */
export type Nil = undefined;

export const string = (value: string): Value => ({ kind: 'string', value });
export const bool = (value: boolean): Value => ({ kind: 'bool', value });
export const int = (value: number | bigint): Value => ({
  kind: 'int',
  type: 'int',
  value: BigInt(value),
});

export function typeOf(value: Value): string {
  if (value.kind === 'int' || value.kind === 'struct') return value.type;
  if (value.kind === 'float') return 'float64';
  if (value.kind === 'map') return 'map[string]string';
  if (value.kind === 'pointer') return `*${value.to.type}`;
  return value.kind;
}

/** Neither nil nor the zero value of its type; structs are always true. */
export function isTrue(value: Value | Nil): boolean {
  switch (value?.kind) {
    case undefined:
      return false;
    case 'string':
      return value.value !== '';
    case 'bool':
      return value.value;
    case 'int':
      return value.value !== 0n;
    case 'float':
      return value.value !== 0;
    case 'map':
      return Object.keys(value.value).length > 0;
    case 'struct':
    case 'pointer':
      return true;
  }
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The code points, which Go calls runes. */
export const charactersOf = (text: string): string[] => Array.from(text);

/** The order of strings in Go: by their UTF-8 bytes, which is that of their code points. */
export function compareStrings(a: string, b: string): number {
  const [left, right] = [charactersOf(a), charactersOf(b)];
  for (const [i, character] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    const difference = (character.codePointAt(0) ?? 0) - (other.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Entries of a map in the order in which Go prints and ranges over them. */
export const sortedEntries = (map: Labels): readonly [string, string][] =>
  Object.entries(map).sort(([a], [b]) => compareStrings(a, b));
