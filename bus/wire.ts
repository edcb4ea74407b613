import * as v from 'valibot';

/**
 * Parts of the schemas of what nodes send. What they make is built anew, field by field: unknown fields are gone, texts
 * are cut and may be printed to a terminal, lists are cut. A value of another type makes the whole body malformed.
 */

/** Without `\n` and `\t`, control characters do something to a terminal. */
const controls = /[\p{Cc}\u2028\u2029]/gu;
const printable = (text: string): string =>
  text.replace(controls, (char) => (char === '\n' || char === '\t' ? char : '\ufffd'));

/** A text of one line or of several, cut after `lengthMax` characters. */
export const text = (lengthMax: number) =>
  v.pipe(
    v.string(),
    v.transform((value) => printable(value.slice(0, lengthMax))),
  );

/** A text that is refused when it is longer: a name or an ID that is cut would be another one. */
export const name = (lengthMax: number) =>
  v.pipe(v.string(), v.maxLength(lengthMax), v.transform(printable));

export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** A list of which no more than `lengthMax` are looked at. */
export const list = <Schema extends v.GenericSchema>(schema: Schema, lengthMax: number) =>
  v.pipe(
    v.array(v.unknown()),
    v.transform((values) => values.slice(0, lengthMax)),
    v.array(schema),
  );

/** Names and values, as many as have `lengthMax` characters together. */
export const labels = (lengthMax: number) =>
  v.pipe(
    v.unknown(),
    v.check((given) => !Array.isArray(given)),
    v.record(v.string(), v.string()),
    v.transform((given) => {
      const kept: [string, string][] = [];
      let length = 0;
      for (const [key, value] of Object.entries(given)) {
        length += key.length + value.length;
        if (length > lengthMax) break;
        kept.push([printable(key), printable(value)]);
      }
      return Object.fromEntries(kept);
    }),
  );

/** Undefined for what is not of the schema's form. Never throws. */
export function readAs<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
): v.InferOutput<Schema> | undefined {
  const read = v.safeParse(schema, value, { abortEarly: true });
  return read.success ? read.output : undefined;
}
