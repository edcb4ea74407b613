import type { Stored } from '../../domain/model/objects.ts';

/** RFC 3339 in UTC without trailing zeros, as Go prints times. */
export const goTime = (ms: number): string => new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z');

/** The fields that every object begins with. */
export const metaOf = ({ id, meta }: Stored) => ({
  ID: id,
  Version: { Index: meta.version },
  CreatedAt: goTime(meta.createdAt),
  UpdatedAt: goTime(meta.updatedAt),
});

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
