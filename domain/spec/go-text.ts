/** How Go's fmt prints values; needed where error texts quote the user's input. */

const escapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '"': '\\"',
  '\\': '\\\\',
};

/** Go's `%q` of a string. */
export const quote = (text: string): string =>
  `"${text.replaceAll(/["\\]|\p{Cc}/gu, (c) => escapes[c] ?? escaped(c.charCodeAt(0)))}"`;

const escaped = (code: number): string =>
  code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u00${code.toString(16)}`;

/** Go's `%g` of a float: exponents below -4 and from 6 on in scientific form with two digits. */
export function formatG(x: number): string {
  const [mantissa, power = '0'] = x.toExponential().split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return String(x);
  const digits = String(Math.abs(exponent)).padStart(2, '0');
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${digits}`;
}
