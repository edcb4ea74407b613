/** Go's constants: strings, characters and numbers. The functions return undefined for what is none. */
import type { NumberValue } from './nodes.ts';

const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
};
/** A backslash with what belongs to it, or a run of other characters. */
const piece = /\\(?:x([\da-fA-F]{2})|([0-7]{3})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))|[^\\]+/gsuy;

/** Bytes of one piece of a quoted text; `delimiter` is the only quote that may be escaped. */
function bytesOf(match: RegExpExecArray, delimiter: string): Uint8Array | undefined {
  const [text, hex, octal, short, long, simple] = match;
  const byte = hex === undefined ? octal && Number.parseInt(octal, 8) : Number.parseInt(hex, 16);
  if (typeof byte === 'number') return byte > 255 ? undefined : Uint8Array.of(byte);
  const rune = short ?? long;
  if (rune !== undefined) {
    const code = Number.parseInt(rune, 16);
    const isSurrogate = code >= 0xd800 && code < 0xe000;
    if (code > 0x10ffff || isSurrogate) return undefined;
    return new TextEncoder().encode(String.fromCodePoint(code));
  }
  if (simple === undefined) return new TextEncoder().encode(text);
  if (simple === delimiter) return new TextEncoder().encode(simple);
  const code = Object.hasOwn(simpleEscapes, simple) ? simpleEscapes[simple] : undefined;
  return code === undefined ? undefined : Uint8Array.of(code);
}

/** The text of a quoted inside. Bytes that are no UTF-8 become U+FFFD. */
function unescape(inside: string, delimiter: string): string | undefined {
  const bytes: number[] = [];
  piece.lastIndex = 0;
  while (piece.lastIndex < inside.length) {
    const match = piece.exec(inside);
    const some = match === null ? undefined : bytesOf(match, delimiter);
    if (some === undefined) return undefined;
    for (const byte of some) bytes.push(byte);
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

/** The text of a string in double quotes or backquotes. */
export const unquote = (source: string): string | undefined =>
  source.startsWith('`')
    ? source.slice(1, -1).replaceAll('\r', '')
    : unescape(source.slice(1, -1), '"');

/** The code point of a character constant, which is an integer. */
export function runeOf(source: string): NumberValue | BadRune {
  const text = unescape(source.slice(1, -1), "'");
  const [first, ...more] = text ?? '';
  if (first === undefined) return 'invalid syntax';
  if (more.length > 0) return 'malformed character constant';
  return { type: 'int', value: BigInt(first.codePointAt(0) ?? 0) };
}

const digits = String.raw`\d(?:_?\d)*`;
const integer =
  /^([+-]?)(?:0[xX]((?:_?[\da-fA-F])+)|0[bB]((?:_?[01])+)|0(?:[oO]_?|_)?([0-7](?:_?[0-7])*)|(0|[1-9](?:_?\d)*))$/;
const decimalFloat = new RegExp(
  `^[+-]?(?:${digits}(?:\\.(?:${digits})?)?|\\.${digits})(?:[eE][+-]?${digits})?$`,
);
const hexFloat =
  /^([+-]?)0[xX]((?:_?[\da-fA-F])*)(?:\.((?:[\da-fA-F]_?)*))?[pP]([+-]?\d(?:_?\d)*)$/;

function integerOf(source: string): bigint | undefined {
  const match = integer.exec(source);
  if (match === null) return undefined;
  const [, sign, hex, binary, octal, decimal] = match;
  const prefix = hex ? '0x' : binary ? '0b' : octal ? '0o' : '';
  const size = BigInt(prefix + (hex ?? binary ?? octal ?? decimal ?? '').replaceAll('_', ''));
  return sign === '-' ? -size : size;
}

function floatOf(source: string): number | undefined {
  if (decimalFloat.test(source)) return Number(source.replaceAll('_', ''));
  const match = hexFloat.exec(source);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent = ''] = match.map((s) =>
    s?.replaceAll('_', ''),
  );
  if (whole + fraction === '') return undefined;
  const size = Number(`0x${whole}${fraction}`) * 2 ** (Number(exponent) - 4 * fraction.length);
  return sign === '-' ? -size : size;
}

const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n, unsignedMax: 2n ** 64n - 1n } as const;

/** What is wrong with a constant. */
type BadRune = 'invalid syntax' | 'malformed character constant';
type BadNumber = 'integer overflow' | 'illegal number syntax';

/** A number of Go's syntax. One with a point or an exponent is a float, also when it is whole. */
export function numberOf(source: string): NumberValue | BadNumber {
  const value = integerOf(source);
  if (value !== undefined && value >= int64.min && value <= int64.max)
    return { type: 'int', value };
  if (value !== undefined && value > 0n && value <= int64.unsignedMax && !/^[+]/.test(source))
    return { type: 'overflow' };
  const float = floatOf(source);
  if (float === undefined)
    return value === undefined ? 'illegal number syntax' : 'integer overflow';
  if (!Number.isFinite(float)) return 'illegal number syntax';
  return /[.eEpP]/.test(source) ? { type: 'float64', value: float } : 'integer overflow';
}
