import * as v from 'valibot';
import { isPrintable, printableLine, printableText } from '../domain/printable.ts';

/**
 * Parts of the schemas of what nodes send. What they make is built anew, field by field: unknown fields are gone, texts
 * are cut and may be printed to a terminal, lists are cut. A value of another type makes the whole body malformed.
 */

/** A text of one line or of several, cut after `lengthMax` characters. */
export const text = (lengthMax: number) =>
  v.pipe(
    v.string(),
    v.transform((value) => printableText(value.slice(0, lengthMax))),
  );

/** As `text`, of one line: a list has a row for it. */
export const line = (lengthMax: number) =>
  v.pipe(
    v.string(),
    v.transform((value) => printableLine(value.slice(0, lengthMax))),
  );

/** Refused when it is longer or is not to be printed: a name or an ID that is cut or mended would be another one. */
export const name = (lengthMax: number) =>
  v.pipe(v.string(), v.maxLength(lengthMax), v.check(isPrintable));

/** As `text`, refused when it is longer: PEM that is cut is none. */
export const whole = (lengthMax: number) =>
  v.pipe(v.string(), v.maxLength(lengthMax), v.transform(printableText));

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
        kept.push([printableLine(key), printableLine(value)]);
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
