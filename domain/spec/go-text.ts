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
  `"${text.replaceAll(/["\\\0-\x1f\x7f]/g, (c) => escapes[c] ?? `\\x${hex(c)}`)}"`;

const hex = (c: string): string => c.charCodeAt(0).toString(16).padStart(2, '0');

/** Go's `%g` of a float. */
export function formatG(x: number): string {
  const exponent = x === 0 ? 0 : Number(x.toExponential().split('e')[1]);
  // Go takes the short form for fewer digits than the exponent, or for less than 1e21 of six or fewer.
  const digits = x.toExponential().split('e')[0]?.replaceAll(/[-.]/g, '').length ?? 1;
  if (exponent >= -4 && exponent < Math.max(6, digits)) return String(x);
  const [mantissa, power = '0'] = x.toExponential().split('e');
  const sign = power.startsWith('-') ? '-' : '+';
  return `${mantissa}e${sign}${power.replace(/^[+-]/, '').padStart(2, '0')}`;
}
