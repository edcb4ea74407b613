/** The functions of Go's text/template, and Swarm's `join`. Whatever they throw is told as an error of the call. */
import { CallError } from './error.ts';
import { sprint, sprintf, sprintln } from './format.ts';
import {
  bool,
  compareStrings,
  int,
  isTrue,
  type Nil,
  string,
  typeOf,
  utf8,
  type Value,
} from './value.ts';

type Any = Value | Nil;
/** `string` takes strings only. */
type Parameter = 'string' | 'any';
export interface TemplateFunction {
  readonly parameters: readonly Parameter[];
  /** Of the arguments that may follow. */
  readonly more?: Parameter;
  readonly run: (args: readonly Any[]) => Any;
}

const fail = (message: string): CallError => new CallError(message);

const text = (value: Any): string => (value?.kind === 'string' ? value.value : '');

function join(args: readonly Any[]): Any {
  const [separator, ...rest] = args.map(text);
  if (separator === undefined) throw fail('runtime error: slice bounds out of range [1:0]');
  return string(rest.join(separator));
}

const indirect = (value: Any): Any => (value?.kind === 'pointer' ? value.to : value);

/** An index into bytes. */
function indexOf(index: Any, end: number): number {
  if (index === undefined) throw fail('cannot index slice/array with nil');
  if (index.kind !== 'int') throw fail(`cannot index slice/array with type ${typeOf(index)}`);
  if (index.value < 0n || index.value > BigInt(end))
    throw fail(`index out of range: ${index.value}`);
  return Number(index.value);
}

function index([first, ...indexes]: readonly Any[]): Any {
  if (first === undefined) throw fail('index of untyped nil');
  let item: Value = first;
  for (const key of indexes) item = indexOnce(indirect(item) as Value, key);
  return item;
}

function indexOnce(item: Value, key: Any): Value {
  if (item.kind === 'map') {
    if (key === undefined) throw fail('value is nil; should be of type string');
    if (key.kind !== 'string') throw fail(`value has type ${typeOf(key)}; should be string`);
    return string(Object.hasOwn(item.value, key.value) ? (item.value[key.value] ?? '') : '');
  }
  if (item.kind !== 'string') throw fail(`can't index item of type ${typeOf(item)}`);
  const bytes = utf8(item.value);
  const byte = bytes[indexOf(key, bytes.length)];
  if (byte === undefined) throw fail('reflect: string index out of range');
  return { kind: 'int', type: 'uint8', value: BigInt(byte) };
}

function slice([first, ...indexes]: readonly Any[]): Any {
  if (first === undefined) throw fail('slice of untyped nil');
  const item = indirect(first) as Value;
  if (indexes.length > 3) throw fail(`too many slice indexes: ${indexes.length}`);
  if (item.kind !== 'string') throw fail(`can't slice item of type ${typeOf(item)}`);
  if (indexes.length === 3) throw fail('cannot 3-index slice a string');
  const bytes = utf8(item.value);
  const [from = 0, to = bytes.length] = indexes.map((each) => indexOf(each, bytes.length));
  if (from > to) throw fail(`invalid slice index: ${from} > ${to}`);
  return string(new TextDecoder().decode(bytes.slice(from, to)));
}

function length([first]: readonly Any[]): Any {
  const item = indirect(first);
  if (item?.kind === 'string') return int(utf8(item.value).length);
  if (item?.kind === 'map') return int(Object.keys(item.value).length);
  throw fail(
    item === undefined
      ? 'reflect: call of reflect.Value.Type on zero Value'
      : `len of type ${typeOf(item)}`,
  );
}

/** Kinds that compare with their own kind only. */
const basic: ReadonlySet<Value['kind']> = new Set(['bool', 'int', 'float', 'string']);
const basicKind = (value: Any): Value['kind'] | undefined =>
  value !== undefined && basic.has(value.kind) ? value.kind : undefined;

const incompatible = (a: Value, b: Value): CallError =>
  fail(`incompatible types for comparison: ${typeOf(a)} and ${typeOf(b)}`);

function isEqual(a: Any, b: Any): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (basicKind(a) !== basicKind(b)) throw incompatible(a, b);
  if (a.kind === 'pointer' && b.kind === 'pointer') return a.to === b.to;
  if ('value' in a && 'value' in b && a.kind !== 'map' && b.kind !== 'map')
    return a.value === b.value;
  if (a.kind !== b.kind)
    throw fail(`non-comparable types ${sprint([a])}: ${typeOf(a)}, ${typeOf(b)}: ${sprint([b])}`);
  if (a.kind === 'map' || hasMap(a)) throw fail(`non-comparable type ${sprint([b])}: ${typeOf(b)}`);
  return typeOf(a) === typeOf(b) && sprint([a]) === sprint([b]);
}

const hasMap = (value: Value): boolean =>
  value.kind === 'struct' && [...value.fields.values()].some(({ kind }) => kind === 'map');

function equal([first, ...others]: readonly Any[]): boolean {
  if (others.length === 0) throw fail('missing argument for comparison');
  return others.some((other) => isEqual(first, other));
}

function isLess([a, b]: readonly Any[]): boolean {
  if (a === undefined || b === undefined || !basicKind(a) || !basicKind(b) || a.kind === 'bool')
    throw notOrdered(a, b);
  if (a.kind === 'int' && b.kind === 'int') return a.value < b.value;
  if (a.kind === 'float' && b.kind === 'float') return a.value < b.value;
  if (a.kind === 'string' && b.kind === 'string') return compareStrings(a.value, b.value) < 0;
  throw incompatible(a, b);
}

const notOrdered = (a: Any, b: Any): CallError =>
  a !== undefined && b !== undefined && basicKind(a) && basicKind(b) && a.kind !== b.kind
    ? incompatible(a, b)
    : fail('invalid type for comparison');

const isLessOrEqual = (args: readonly Any[]): boolean => isLess(args) || equal(args);

/** The text of all arguments, as the action of a template would print them. */
const printed = (args: readonly Any[]): string =>
  sprint(args.map((value) => (value === undefined ? string('<no value>') : indirect(value))));

const htmlEscapes: Readonly<Record<string, string>> = {
  '\0': '\uFFFD',
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
};
const html = (source: string): string =>
  source.replaceAll(/[\0"'&<>]/g, (character) => htmlEscapes[character] ?? character);

function js(source: string): string {
  return source.replaceAll(/["'\\]|[<>&=]|\p{C}|(?! )\p{Z}/gu, (character) => {
    if (`"'\\`.includes(character)) return `\\${character}`;
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
  });
}

const urlQuery = (source: string): string =>
  encodeURIComponent(source)
    .replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');

const comparison = (run: (args: readonly Any[]) => boolean): TemplateFunction => ({
  parameters: ['any', 'any'],
  run: (args) => bool(run(args)),
});
const escaper = (escape: (source: string) => string): TemplateFunction => ({
  parameters: [],
  more: 'any',
  run: (args) => string(escape(printed(args))),
});

/** `and` and `or` do not get their arguments here: they stop at the first that decides. */
export const functions: Readonly<Record<string, TemplateFunction>> = {
  and: { parameters: ['any'], more: 'any', run: (args) => args.at(-1) },
  or: { parameters: ['any'], more: 'any', run: (args) => args.at(-1) },
  not: { parameters: ['any'], run: ([value]) => bool(!isTrue(value)) },
  eq: { parameters: ['any'], more: 'any', run: (args) => bool(equal(args)) },
  ne: comparison((args) => !equal(args)),
  lt: comparison(isLess),
  le: comparison(isLessOrEqual),
  gt: comparison((args) => !isLessOrEqual(args)),
  ge: comparison((args) => !isLess(args)),
  len: { parameters: ['any'], run: length },
  index: { parameters: ['any'], more: 'any', run: index },
  slice: { parameters: ['any'], more: 'any', run: slice },
  join: { parameters: [], more: 'string', run: join },
  print: { parameters: [], more: 'any', run: (args) => string(sprint(args)) },
  println: { parameters: [], more: 'any', run: (args) => string(sprintln(args)) },
  printf: {
    parameters: ['string'],
    more: 'any',
    run: ([format, ...args]) => string(sprintf(text(format), args)),
  },
  html: escaper(html),
  js: escaper(js),
  urlquery: escaper(urlQuery),
};

export const functionNames: ReadonlySet<string> = new Set([...Object.keys(functions), 'call']);
