/** Checks of a body by hand: of what only managers may send, where another version may have sent it. */

type Fields = Readonly<Record<string, unknown>>;

/** The fields of a map; undefined for anything else. */
export const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : undefined;

export const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
