import { HttpError } from './errors.ts';
import type { Labels } from '../domain/model/spec.ts';

type Values = ReadonlyMap<string, boolean>;

/**
 * Docker's list filters, `{"key":{"value":true}}` or the older `{"key":["value"]}`. Several values of a key are
 * alternatives, different keys must all match (swarm-compat §2.4).
 */
export class Filters {
  readonly #fields: ReadonlyMap<string, Values>;

  private constructor(fields: ReadonlyMap<string, Values>) {
    this.#fields = fields;
  }

  static parse(text: string): Filters {
    if (text === '') return new Filters(new Map());
    const fields = fieldsOf(parseJson(text));
    if (fields === undefined) throw new HttpError(400, 'invalid filter');
    return new Filters(fields);
  }

  /** Throws for the first key that the list does not know. */
  allow(...keys: readonly string[]): this {
    for (const key of this.#fields.keys())
      if (!keys.includes(key)) throw new HttpError(400, `invalid filter '${key}'`);
    return this;
  }

  has(key: string): boolean {
    return this.#fields.has(key);
  }
  get(key: string): readonly string[] {
    return [...(this.#fields.get(key)?.keys() ?? [])];
  }

  /** One of the values, or no values. */
  exact(key: string, value: string): boolean {
    const values = this.#fields.get(key);
    return values === undefined || values.size === 0 || values.get(value) === true;
  }
  /** Starts with one of the values, or no values. */
  prefix(key: string, value: string): boolean {
    const values = this.#fields.get(key);
    if (values === undefined || values.size === 0) return true;
    if (typeof value !== 'string') return false;
    for (const start of values.keys()) if (value.startsWith(start)) return true;
    return false;
  }
  /** All of `k` and `k=v`. Of several with one `k` the last one counts; `k=` is the same as `k`. */
  labels(key: string, labels: Labels): boolean {
    const wanted = new Map<string, string>();
    for (const pair of this.#fields.get(key)?.keys() ?? []) {
      const at = pair.indexOf('=');
      wanted.set(at === -1 ? pair : pair.slice(0, at), at === -1 ? '' : pair.slice(at + 1));
    }
    for (const [name, value] of wanted)
      if (!Object.hasOwn(labels, name) || (value !== '' && labels[name] !== value)) return false;
    return true;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fieldsOf(json: unknown): ReadonlyMap<string, Values> | undefined {
  if (json === null) return new Map();
  if (typeof json !== 'object' || Array.isArray(json)) return undefined;
  const entries = Object.entries(json);
  return readAll(entries, valuesOfMap) ?? readAll(entries, valuesOfList);
}

function readAll(
  entries: readonly [string, unknown][],
  read: (value: unknown) => Values | undefined,
): ReadonlyMap<string, Values> | undefined {
  const fields = new Map<string, Values>();
  for (const [key, value] of entries) {
    const values = value === null ? new Map<string, boolean>() : read(value);
    if (values === undefined) return undefined;
    fields.set(key, values);
  }
  return fields;
}

function valuesOfMap(value: unknown): Values | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const values = new Map<string, boolean>();
  for (const [text, on] of Object.entries(value))
    if (typeof on === 'boolean' || on === null) values.set(text, on === true);
    else return undefined;
  return values;
}

function valuesOfList(value: unknown): Values | undefined {
  if (!Array.isArray(value)) return undefined;
  const values = new Map<string, boolean>();
  for (const text of value as unknown[])
    if (typeof text === 'string' || text === null) values.set(text ?? '', true);
    else return undefined;
  return values;
}
