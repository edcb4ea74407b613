/** How Go's fmt prints strings and numbers. Each function returns undefined for a verb that does not fit. */
import { formatG, quote } from '../go-text.ts';
import { CallError, unsupported } from './error.ts';
import { codePoint } from './lex.ts';
import { charactersOf, utf8, type Value } from './value.ts';

export interface Format {
  /** Of `-+# 0`, in any order. */
  readonly flags: string;
  readonly width: number | undefined;
  readonly precision: number | undefined;
  /** `%#v` writes values as Go's source would, `%+v` names the fields of structs; neither flag means anything else then. */
  readonly goSyntax?: boolean;
  readonly fieldNames?: boolean;
}

const has = ({ flags }: Format, flag: string): boolean => flags.includes(flag);

/** Fills up to the width, in characters: with zeros where asked for, on the right for `-`. */
export function pad(text: string, format: Format, allowsZeros = true): string {
  const missing = (format.width ?? 0) - charactersOf(text).length;
  if (missing <= 0) return text;
  if (has(format, '-')) return text + ' '.repeat(missing);
  return (allowsZeros && has(format, '0') ? '0' : ' ').repeat(missing) + text;
}

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

function formatHex(text: string, verb: 'x' | 'X', format: Format): string {
  const { precision } = format;
  const bytes = Array.from(utf8(text).slice(0, precision), hex);
  const prefix = has(format, '#') && bytes.length > 0 ? '0x' : '';
  const joined = has(format, ' ')
    ? bytes.map((byte) => prefix + byte).join(' ')
    : prefix + bytes.join('');
  return pad(verb === 'X' ? joined.toUpperCase() : joined, format);
}

/** Backquotes cannot hold one of their own, nor control characters but tabs. */
const canBackquote = (text: string): boolean => !/[`\uFEFF]|(?!\t)\p{Cc}/u.test(text);

const asciiOnly = (quoted: string): string =>
  quoted.replaceAll(/[^\0-\x7f]/gu, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`;
  });

function formatQuoted(text: string, format: Format): string {
  if (has(format, '#') && canBackquote(text)) return pad(`\`${text}\``, format);
  return pad(has(format, '+') ? asciiOnly(quote(text)) : quote(text), format);
}

export function formatString(whole: string, verb: string, format: Format): string | undefined {
  const { precision } = format;
  const text = precision === undefined ? whole : charactersOf(whole).slice(0, precision).join('');
  switch (verb) {
    case 'v':
      return format.goSyntax === true ? formatQuoted(text, format) : pad(text, format);
    case 's':
      return pad(text, format);
    case 'q':
      return formatQuoted(text, format);
    case 'x':
    case 'X':
      return formatHex(whole, verb, format);
    default:
      return undefined;
  }
}

const bases: Readonly<Record<string, number>> = { b: 2, o: 8, O: 8, d: 10, v: 10, x: 16, X: 16 };
const prefixes: Readonly<Record<string, string>> = { b: '0b', o: '0', x: '0x', X: '0X' };

function digitsOf(size: bigint, verb: string, format: Format, signs: number): string {
  let digits = size.toString(bases[verb]);
  if (verb === 'X') digits = digits.toUpperCase();
  const fillsWithZeros = has(format, '0') && !has(format, '-') && format.width !== undefined;
  const length = format.precision ?? (fillsWithZeros ? (format.width ?? 0) - signs : 0);
  return digits.padStart(length, '0');
}

function formatCharacter(value: bigint, verb: string, format: Format): string {
  const isRune = value >= 0n && value <= 0x10ffffn && !(value >= 0xd800n && value < 0xe000n);
  const character = String.fromCodePoint(isRune ? Number(value) : 0xfffd);
  if (verb === 'c') return pad(character, format);
  const single = quote(character).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'");
  const ascii = has(format, '+') ? asciiOnly(single) : single;
  return pad(`'${ascii}'`, format);
}

export function formatInteger(
  { value, type }: Extract<Value, { kind: 'int' }>,
  verb: string,
  format: Format,
): string | undefined {
  if (verb === 'c' || verb === 'q') return formatCharacter(value, verb, format);
  if (verb === 'U') return formatUnicode(value, format);
  if (!Object.hasOwn(bases, verb)) return undefined;
  const isByte = format.goSyntax === true && type === 'uint8';
  const shownVerb = isByte ? 'x' : verb;
  if (format.precision === 0 && value === 0n) return ' '.repeat(format.width ?? 0);
  const negative = value < 0n;
  const plus = has(format, '+') ? '+' : has(format, ' ') ? ' ' : '';
  const sign = negative ? '-' : plus;
  const digits = digitsOf(negative ? -value : value, shownVerb, format, sign.length);
  return pad(sign + (isByte ? '0x' : prefixOf(shownVerb, digits, format)) + digits, format, false);
}

function prefixOf(verb: string, digits: string, format: Format): string {
  if (verb === 'O') return '0o';
  if (!has(format, '#') || (verb === 'o' && digits.startsWith('0'))) return '';
  return prefixes[verb] ?? '';
}

function formatUnicode(value: bigint, format: Format): string {
  const code = (value < 0n ? value + 2n ** 64n : value).toString(16).toUpperCase();
  const text = `U+${code.padStart(Math.max(4, format.precision ?? 4), '0')}`;
  const character = value >= 0n && value <= 0x10ffffn ? String.fromCodePoint(Number(value)) : '';
  const shown = has(format, '#') && codePoint(character || '\0').includes("'");
  return pad(shown ? `${text} '${character}'` : text, format, false);
}

/** Mantissa and exponent as Go writes them: at least two digits of exponent. */
const exponential = (text: string): string => text.replace(/e([+-])(\d)$/, 'e$10$2');

function general(x: number, precision: number | undefined): string {
  if (precision === undefined) return formatG(x);
  const digits = precision || 1;
  const exponent = Number(x.toExponential(digits - 1).split('e')[1]);
  if (exponent < -4 || exponent >= digits)
    return exponential(x.toExponential(digits - 1)).replace(/\.?0*(?=e)/, '');
  const fixed = x.toFixed(Math.max(0, digits - 1 - exponent));
  return fixed.includes('.') ? fixed.replace(/\.?0*$/, '') : fixed;
}

export function formatFloat(value: number, verb: string, format: Format): string | undefined {
  const size = Math.abs(value);
  const { precision } = format;
  const places = Math.min(precision ?? 6, 100);
  const lower = verb.toLowerCase();
  let text: string;
  if (lower === 'e') text = exponential(size.toExponential(places));
  else if (lower === 'f') text = size.toFixed(places);
  else if (lower === 'g' || verb === 'v') text = general(size, precision);
  else if (lower === 'x' || verb === 'b')
    throw new CallError(unsupported(`%${verb} of a float is`));
  else return undefined;
  if (verb === 'E' || verb === 'G') text = text.toUpperCase();
  const plus = has(format, '+') ? '+' : has(format, ' ') ? ' ' : '';
  const sign = value < 0 || Object.is(value, -0) ? '-' : plus;
  const isFilled = has(format, '0') && !has(format, '-');
  return isFilled
    ? sign + text.padStart((format.width ?? 0) - sign.length, '0')
    : pad(sign + text, format);
}
