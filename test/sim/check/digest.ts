import stringify from 'fast-json-stable-stringify';
import { createHash } from 'node:crypto';
import { kinds } from '../../../domain/model/objects.ts';
import type { View } from '../../../domain/store/view.ts';

/** Objects of a store never change: a new version is another object. */
const texts = new WeakMap<object, string>();

/** A hash of everything that the state holds, in an order of its own. Absent and undefined fields are the same. */
export function digest(view: View): string {
  const hash = createHash('sha256');
  for (const kind of kinds)
    for (const object of [...view.list(kind)].sort((a, b) => (a.id < b.id ? -1 : 1)))
      hash.update(textOf(object));
  return hash.digest('hex');
}

function textOf(object: object): string {
  let text = texts.get(object);
  if (text === undefined) texts.set(object, (text = stringify(object)));
  return text;
}
