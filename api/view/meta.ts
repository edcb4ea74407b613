import type { Stored } from '../../domain/model/objects.ts';
import { countOf, fieldsOf, textOf } from './readable.ts';

/** Go's zero time stands for what is no time that RFC 3339 knows. */
const noTime = '0001-01-01T00:00:00Z';
const firstMs = Date.parse(noTime);
const lastMs = Date.UTC(9999, 11, 31);

/** RFC 3339 in UTC without trailing zeros, as Go prints times. */
export const goTime = (ms: unknown): string =>
  typeof ms === 'number' && ms >= firstMs && ms <= lastMs
    ? new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z')
    : noTime;

/** The fields that every object begins with. */
export function metaOf({ id, meta }: Stored) {
  const { version, createdAt, updatedAt } = fieldsOf(meta);
  return {
    ID: textOf(id),
    Version: { Index: countOf(version) },
    CreatedAt: goTime(createdAt),
    UpdatedAt: goTime(updatedAt),
  };
}

/** Go's `omitempty` for texts and numbers. */
export function filled<K extends string, V extends string | number>(
  key: K,
  value: V | undefined,
): { readonly [P in K]?: V } {
  return (value === undefined || value === '' || value === 0 ? {} : { [key]: value }) as {
    readonly [P in K]?: V;
  };
}

/** Go's `omitempty` for lists and maps. */
export function filledList<K extends string, V extends object>(
  key: K,
  value: V | undefined,
): { readonly [P in K]?: V } {
  return (value === undefined || Object.keys(value).length === 0 ? {} : { [key]: value }) as {
    readonly [P in K]?: V;
  };
}

/** A record that cannot be read is shown as far as it can be, and has that for a reason. */
export function reasonsOr(reasons: () => readonly string[]): readonly string[] {
  try {
    return reasons();
  } catch (error) {
    return [`the record cannot be read: ${String(error)}`];
  }
}
