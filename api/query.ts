import { errorText } from '../domain/errors.ts';
import { HttpError } from './errors.ts';

/** A query string, read as Go's `url.ParseQuery` does: bad pairs are left out, the first one is told of. */
export class Query {
  readonly #values = new Map<string, string>();
  readonly #problem: string | undefined;

  constructor(text: string) {
    let problem: string | undefined;
    for (const pair of text === '' ? [] : text.split('&')) {
      if (pair === '') continue;
      try {
        if (pair.includes(';')) throw new Error('invalid semicolon separator in query');
        const at = pair.indexOf('=');
        const key = unescape(at === -1 ? pair : pair.slice(0, at));
        const value = at === -1 ? '' : unescape(pair.slice(at + 1));
        if (!this.#values.has(key)) this.#values.set(key, value);
      } catch (error) {
        problem ??= errorText(error);
      }
    }
    this.#problem = problem;
  }

  /** Throws Docker's 400 for a query that cannot be read; only some of its routes ask for that. */
  check(): void {
    if (this.#problem !== undefined) throw new HttpError(400, this.#problem);
  }

  /** '' when absent. */
  get(key: string): string {
    return this.#values.get(key) ?? '';
  }

  /** Docker's lenient truth: everything but a few words is true. */
  flag(key: string): boolean {
    return !lenientFalse.has(this.get(key).trim().toLowerCase());
  }

  /** Go's ParseBool; absent is false. `withCause` adds Go's own words, as only some routes do. */
  strictFlag(key: string, withCause: boolean): boolean {
    const value = this.get(key);
    if (value === '' || strictFalse.has(value)) return false;
    if (strictTrue.has(value)) return true;
    const cause = `: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`;
    throw new HttpError(400, `invalid value for ${key}: ${value}${withCause ? cause : ''}`);
  }

  /** `?version=`, the version of the object that the client has seen. `what` is for the error text. */
  version(what: string): number {
    const text = this.get('version');
    const problem = uint64Problem(text);
    if (problem === undefined) return Number(text);
    throw new HttpError(
      400,
      `invalid ${what} version '${text}': strconv.ParseUint: parsing ${JSON.stringify(text)}: ${problem}`,
    );
  }
}

const lenientFalse: ReadonlySet<string> = new Set(['', '0', 'no', 'false', 'none']);
const strictTrue: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const strictFalse: ReadonlySet<string> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);
const badEscape = /%(?![0-9a-f]{2}).{0,2}/i;

function unescape(text: string): string {
  const bad = badEscape.exec(text);
  if (bad !== null) throw new Error(`invalid URL escape ${JSON.stringify(bad[0])}`);
  return decodeURIComponent(text.replaceAll('+', ' '));
}

function uint64Problem(text: string): string | undefined {
  if (!/^[0-9]+$/.test(text)) return 'invalid syntax';
  return BigInt(text) >= 2n ** 64n ? 'value out of range' : undefined;
}

const int64Text = /^[+-]?[0-9]+$/;

/** `seconds[.nanoseconds]` as nanoseconds since 1970; undefined for ''. Throws an Error with Go's words. */
export function parseTimestamp(value: string): bigint | undefined {
  if (value === '') return undefined;
  const at = value.indexOf('.');
  const seconds = parseInt64(at === -1 ? value : value.slice(0, at));
  if (at === -1) return seconds * 1_000_000_000n;
  const digits = value.slice(at + 1);
  const fraction = Number(parseInt64(digits)) * 10 ** (9 - digits.length);
  return seconds * 1_000_000_000n + BigInt(Math.trunc(fraction));
}

function parseInt64(text: string): bigint {
  const problem = (why: string): Error =>
    new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: ${why}`);
  if (!int64Text.test(text)) throw problem('invalid syntax');
  const value = BigInt(text.replace('+', ''));
  if (value >= 2n ** 63n || value < -(2n ** 63n)) throw problem('value out of range');
  return value;
}
