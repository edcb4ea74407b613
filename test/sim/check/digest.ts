import stringify from 'fast-json-stable-stringify';
import { createHash } from 'node:crypto';
import { kinds } from '../../../domain/kinds/table.ts';
import type { View } from '../../../domain/store/view.ts';

/** Objects of a store never change: a new version is another object. */
const texts = new WeakMap<object, string>();
const hashes = new WeakMap<object, string>();

/** A hash of everything that the state holds, in an order of its own. Absent and undefined fields are the same. */
export function digest(view: View): string {
  const hash = createHash('sha256');
  for (const kind of kinds)
    for (const object of [...view.list(kind)].sort((a, b) => (a.id < b.id ? -1 : 1)))
      hash.update(textOf(object));
  return hash.digest('hex');
}

/** Specs may be large and many tasks share one: it stands for itself by its hash. */
function textOf(object: object): string {
  let text = texts.get(object);
  if (text === undefined) {
    const { spec, ...rest } = object as { readonly spec?: object };
    texts.set(object, (text = `${stringify(rest)}${spec === undefined ? '' : hashOf(spec)}`));
  }
  return text;
}

function hashOf(spec: object): string {
  let hash = hashes.get(spec);
  if (hash === undefined)
    hashes.set(spec, (hash = createHash('sha256').update(stringify(spec)).digest('hex')));
  return hash;
}
