import type { Node } from '../model/objects.ts';

/**
 * What of a node's record is not of its form, of all that decisions read; undefined where nothing is. Nodes' messages are
 * checked before they are stored, so such a record is of an older version's making, or a bug's. A node that has one gets no
 * tasks and keeps those that it has, whatever the constraints: nobody can tell what holds for it.
 */
export function flawOf(node: Node): string | undefined {
  const known = flaws.get(node);
  if (known !== undefined) return known === '' ? undefined : known;
  const flaw = firstFlaw(node);
  flaws.set(node, flaw ?? '');
  return flaw;
}
/** Objects of the store never change. */
const flaws = new WeakMap<Node, string>();

/** A form: says what of `value` is not of it, by the path to it. */
type Form = (value: unknown, path: string) => string | undefined;

const text: Form = (value, path) => (typeof value === 'string' ? undefined : `${path} is no text`);
const number: Form = (value, path) => (Number.isFinite(value) ? undefined : `${path} is no number`);
const optional =
  (form: Form): Form =>
  (value, path) =>
    value === undefined ? undefined : form(value, path);

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const fields =
  (forms: Readonly<Record<string, Form>>): Form =>
  (value, path) =>
    isObject(value)
      ? first(Object.entries(forms), ([name, form]) => form(value[name], `${path}.${name}`))
      : `${path} is no object`;

const list =
  (form: Form): Form =>
  (value, path) =>
    Array.isArray(value)
      ? first(value.entries(), ([i, item]) => form(item, `${path}[${i}]`))
      : `${path} is no list`;

const labels: Form = (value, path) =>
  isObject(value)
    ? first(Object.entries(value), ([name, label]) => text(label, `${path}.${shown(name)}`))
    : `${path} is no object`;

/** Terminals print it. */
const shown = (name: string): string => (/^[\w.-]{1,64}$/.test(name) ? name : '(a label)');

function first<T>(items: Iterable<T>, flaw: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = flaw(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

const resource = fields({
  NamedResourceSpec: optional(fields({ Kind: text })),
  DiscreteResourceSpec: optional(fields({ Kind: text, Value: number })),
});

const forms: readonly (readonly [keyof Node, Form])[] = [
  ['spec', fields({ Labels: labels, Availability: text })],
  ['status', fields({ state: text, addr: text })],
  ['role', text],
  [
    'description',
    optional(
      fields({
        hostname: text,
        platform: fields({ os: text, architecture: text }),
        resources: fields({
          nanoCpus: number,
          memoryBytes: number,
          generic: optional(list(resource)),
        }),
        engine: fields({ labels, plugins: list(fields({ type: text, name: text })) }),
      }),
    ),
  ],
];

const firstFlaw = (node: Node): string | undefined =>
  first(forms, ([name, form]) => form(node[name], name));
