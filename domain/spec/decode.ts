/**
 * A small declarative decoder for parsed JSON with the meaning and the error texts of Go's encoding/json (checked
 * against dockerd 28.5.2): field names match without regard to case, unknown fields are ignored, null is the zero
 * value, and what is left out of Go's output (`omitempty`) is left out of the result. The result is a fresh object
 * with its fields in declared order, so a decoded spec can be stored as it is.
 * One difference: numbers like `1.0` or `1e3` are integers after JSON.parse, so they pass where Go refuses them.
 */
import { daemonFault, Fault } from '../errors.ts';
import { limits } from '../limits.ts';

/** State of one decoding. */
interface Reading {
  /** Minor number of the client's API version; fields newer than it are dropped after their type check. */
  readonly minor: number;
  /** Upper estimate of the stored size so far, bytes. */
  bytes: number;
  /** How many parts were left out because they are of the wrong type; absent where such a part fails the whole. */
  left?: number;
}

/** One Go type. `read` gets a JSON value other than null. */
export interface GoType<T> {
  /** As Go prints it, e.g. `[]mount.Mount`. */
  readonly name: string;
  readonly zero: T;
  read(value: unknown, reading: Reading): T;
}

/** One field of a struct. `Kept` tells whether it is always in the result. */
export interface Field<T, Kept extends boolean = boolean> {
  readonly type: GoType<T>;
  /** `always`: zero value when absent. `given`: a pointer, present when not null. `full`: Go's omitempty. */
  readonly keep: 'always' | 'given' | 'full';
  readonly absent: T | undefined;
  readonly since: number;
  /** Types only. */
  readonly kept?: Kept;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type Value<F> = F extends Field<infer T> ? T : never;
export type Decoded<F extends Fields> = {
  readonly [K in keyof F as F[K] extends Field<unknown, true> ? K : never]: Value<F[K]>;
} & {
  readonly [K in keyof F as F[K] extends Field<unknown, true> ? never : K]?: Value<F[K]>;
};
export type TypeOf<G> = G extends GoType<infer T> ? T : never;

/** A value of the wrong type; each level on the way out adds its part of the path. */
class Mismatch extends Error {
  readonly path: string[] = [];
  readonly got: string;
  readonly wanted: string;
  /** The value is an element of a list: Go words that differently. */
  inList = false;
  constructor(got: string, wanted: string) {
    super(got);
    this.got = got;
    this.wanted = wanted;
  }
}

function at(part: string, inList: boolean, error: unknown): unknown {
  if (error instanceof Mismatch) {
    if (error.path.length === 0) error.inList = inList;
    error.path.unshift(part);
  }
  return error;
}

/** Whether what is of the wrong type is left out. */
function leavesOut(reading: Reading, error: unknown): boolean {
  if (reading.left === undefined || !(error instanceof Mismatch)) return false;
  reading.left += 1;
  return true;
}

const bytesPerValue = 8;
const beyondAscii = /[^\0-\x7f]/;

function count(reading: Reading, bytes: number): void {
  reading.bytes += bytes + bytesPerValue;
  if (reading.bytes > limits.specBytesMax)
    // What Swarm answers when an object does not fit into one of its transactions.
    throw new Fault('Unknown', "raft: raft message is too large and can't be sent");
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'bigint' ? 'number' : typeof value;
}

function scalar<T>(name: string, zero: T, read: GoType<T>['read']): GoType<T> {
  return { name, zero, read };
}

/** A string type; `name` when Go has an own name for it. */
export const text = (name = 'string'): GoType<string> =>
  scalar(name, '', (value, reading) => {
    if (typeof value !== 'string') throw new Mismatch(kindOf(value), name);
    count(reading, beyondAscii.test(value) ? value.length * 3 : value.length);
    return value;
  });

export const bool: GoType<boolean> = scalar('bool', false, (value, reading) => {
  if (typeof value !== 'boolean') throw new Mismatch(kindOf(value), 'bool');
  count(reading, 0);
  return value;
});

/**
 * Integers are doubles here: exact up to 2^53, and for whole seconds in nanoseconds over all of int64. `most` may
 * be one too many, since a client's MaxInt64 arrives as 2^63; it becomes the largest double that fits.
 */
function integer(name: string, least: number, most: number): GoType<number> {
  const largest = most > Number.MAX_SAFE_INTEGER ? most * (1 - 2 ** -53) : most;
  return scalar(name, 0, (value, reading) => {
    if (typeof value !== 'number' && typeof value !== 'bigint')
      throw new Mismatch(kindOf(value), name);
    const n = Number(value);
    if (!Number.isInteger(n) || n < least || n > most)
      throw new Mismatch(`number ${numberText(n)}`, name);
    count(reading, 0);
    return Math.min(n, largest) + 0;
  });
}
const numberText = (n: number): string => String(n).replace('e+', 'e');

export const int64 = (name = 'int64'): GoType<number> => integer(name, -(2 ** 63), 2 ** 63);
export const uint64: GoType<number> = integer('uint64', 0, 2 ** 64);
export const uint32 = (name = 'uint32'): GoType<number> => integer(name, 0, 2 ** 32 - 1);
export const duration: GoType<number> = int64('time.Duration');

export const float32: GoType<number> = scalar('float32', 0, (value, reading) => {
  if (typeof value !== 'number') throw new Mismatch(kindOf(value), 'float32');
  if (!Number.isFinite(Math.fround(value)))
    throw new Mismatch(`number ${numberText(value)}`, 'float32');
  count(reading, 0);
  return value;
});

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Go's []byte: base64 text, kept as text. */
export const base64Bytes: GoType<string> = scalar('[]uint8', '', (value, reading) => {
  if (typeof value !== 'string') throw new Mismatch(kindOf(value), '[]uint8');
  const plain = value.replaceAll(/[\r\n]/g, '');
  if (!base64.test(plain))
    throw new Mismatch('string', '[]uint8: illegal base64 data at input byte 0');
  count(reading, plain.length);
  return plain;
});

/** A slice. Of pointers (`name` says `[]*`), nulls are dropped; otherwise they are zero values. */
export function list<T>(item: GoType<T>, name = `[]${item.name}`): GoType<readonly T[]> {
  const pointers = name.startsWith('[]*');
  return scalar<readonly T[]>(name, [], (value, reading) => {
    if (!Array.isArray(value)) throw new Mismatch(kindOf(value), name);
    const out: T[] = [];
    for (let i = 0; i < value.length; i++) {
      const element: unknown = value[i];
      count(reading, 0);
      try {
        if (element !== null && element !== undefined) out.push(item.read(element, reading));
        else if (!pointers) out.push(item.zero);
      } catch (error) {
        if (leavesOut(reading, error)) continue;
        throw at(String(i), true, error);
      }
    }
    return out;
  });
}

const mapName = 'map[string]string';
const mapItem = text();
/** `map[string]string`, sorted by key as Go prints it. */
export const stringMap: GoType<Readonly<Record<string, string>>> = scalar(
  mapName,
  {},
  (value, reading) => {
    const source = objectOf(value, mapName);
    const out: Record<string, string> = {};
    for (const key of Object.keys(source).sort()) {
      const item = source[key] ?? '';
      count(reading, key.length * 3);
      try {
        setOwn(out, key, mapItem.read(item, reading));
      } catch (error) {
        if (leavesOut(reading, error)) continue;
        throw at(key, false, error);
      }
    }
    return out;
  },
);

/** A plain assignment to `__proto__` would change the object instead of adding the key. */
function setOwn(out: Record<string, string>, key: string, value: string): void {
  if (key !== '__proto__') out[key] = value;
  else
    Object.defineProperty(out, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
}

function objectOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Mismatch(kindOf(value), name);
  return value as Readonly<Record<string, unknown>>;
}

export const always = <T>(type: GoType<T>, since = 0): Field<T, true> => ({
  type,
  keep: 'always',
  absent: type.zero,
  since,
});
/** A pointer that Go prints as null. */
export const nullable = <T>(type: GoType<T>): Field<T | null, true> => ({
  type,
  keep: 'always',
  absent: null,
  since: 0,
});
export const pointer = <T>(type: GoType<T>, since = 0): Field<T, false> => ({
  type,
  keep: 'given',
  absent: undefined,
  since,
});
export const omitEmpty = <T>(type: GoType<T>, since = 0): Field<T, false> => ({
  type,
  keep: 'full',
  absent: undefined,
  since,
});

function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return !value;
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value) return false;
  return true;
}

/** A Go struct; `name` with its package, e.g. `swarm.TaskSpec`. */
export function struct<const F extends Fields>(name: string, fields: F): GoType<Decoded<F>> {
  const slots = Object.entries(fields);
  const byName = new Map<string, number>();
  for (const [i, [key]] of slots.entries()) byName.set(key.toLowerCase(), i).set(key, i);

  function read(value: unknown, reading: Reading): Decoded<F> {
    const source = objectOf(value, name);
    const found: unknown[] = [];
    for (const key of Object.keys(source)) {
      const i = byName.get(key) ?? byName.get(key.toLowerCase());
      const item = source[key];
      if (i === undefined || item === undefined) continue;
      const field = slots[i]?.[1] as Field<unknown>;
      if (item === null) {
        if (reading.left !== undefined && field.absent !== null) reading.left += 1;
        continue;
      }
      count(reading, key.length);
      try {
        const decoded = field.type.read(item, reading);
        if (field.since <= reading.minor) found[i] = decoded;
      } catch (error) {
        if (!leavesOut(reading, error)) throw at(key, false, error);
      }
    }
    return assemble(found);
  }

  function assemble(found: readonly unknown[]): Decoded<F> {
    const out: Record<string, unknown> = {};
    for (let i = 0; i < slots.length; i++) {
      const [key, field] = slots[i] as [string, Field<unknown>];
      const value = found[i];
      if (value === undefined) {
        if (field.keep === 'always') out[key] = field.absent;
      } else if (field.keep !== 'full' || !isEmpty(value)) out[key] = value;
    }
    return out as Decoded<F>;
  }

  return { name, zero: assemble([]), read };
}

const minorOf = (apiVersion: string): number => {
  const minor = Number(apiVersion.split('.')[1]);
  return Number.isInteger(minor) ? minor : Number.POSITIVE_INFINITY;
};

/**
 * Decodes a request body. `apiVersion` such as `1.51`; '' stands for the newest.
 * Throws the daemon's `invalid JSON: …` on wrong types, and Swarm's text for an object that is too large to store.
 */
export function decode<T>(type: GoType<T>, input: unknown, apiVersion = ''): T {
  if (input === null || input === undefined) return type.zero;
  try {
    return type.read(input, { minor: minorOf(apiVersion), bytes: 0 });
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    const path = [type.name.slice(type.name.indexOf('.') + 1), ...error.path].join('.');
    const where =
      error.path.length === 0 ? 'Go value' : error.inList ? path : `Go struct field ${path}`;
    throw daemonFault(
      'InvalidArgument',
      `invalid JSON: json: cannot unmarshal ${error.got} into ${where} of type ${error.wanted}`,
    );
  }
}

/**
 * A stored value as far as it is of the type: what is not is left out. A value that is whole is given back as it is, and
 * known again.
 */
export function readerOf<T extends object>(type: GoType<T>): (value: unknown) => T {
  const known = new WeakSet<object>();
  return (value) => {
    if (typeof value !== 'object' || value === null) return type.zero;
    if (known.has(value)) return value as T;
    const reading = { minor: Number.POSITIVE_INFINITY, bytes: Number.NEGATIVE_INFINITY, left: 0 };
    try {
      const read = type.read(value, reading);
      if (reading.left > 0 || !isLike(value, read)) return read;
      known.add(value);
      return value as T;
    } catch (error) {
      if (error instanceof Mismatch) return type.zero;
      throw error;
    }
  };
}

/** All that was read is there under its own name: nothing was null, missing or spelt otherwise. */
function isLike(value: unknown, read: unknown): boolean {
  if (typeof read !== 'object' || read === null) return value === read;
  if (typeof value !== 'object' || value === null) return false;
  const has = value as Readonly<Record<string, unknown>>;
  return Object.entries(read).every(
    ([key, part]) => Object.hasOwn(has, key) && isLike(has[key], part),
  );
}
