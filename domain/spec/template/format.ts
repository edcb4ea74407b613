/** Go's fmt for the values of templates: Sprint, Sprintln and Sprintf. */
import { limits } from '../../limits.ts';
import { CallError, unsupported } from './error.ts';
import { type Format, formatInteger, formatFloat, formatString, pad } from './format-scalar.ts';
import { type Nil, sortedEntries, string, type Struct, typeOf, type Value } from './value.ts';

const plain: Format = { flags: '', width: undefined, precision: undefined };

/** Joins pieces while there is room: widths and repeated arguments could make more than memory holds. */
class Output {
  text = '';

  add(piece: string): void {
    this.text += piece;
    if (this.text.length > limits.specBytesMax) throw new CallError('the expansion is too large');
  }
}

/** A space between two values of which neither is a string. */
export function sprint(values: readonly (Value | Nil)[]): string {
  const out = new Output();
  for (const [i, value] of values.entries()) {
    const before = values[i - 1];
    if (i > 0 && before?.kind !== 'string' && value?.kind !== 'string') out.add(' ');
    out.add(show(value, 'v', plain));
  }
  return out.text;
}

export function sprintln(values: readonly (Value | Nil)[]): string {
  const out = new Output();
  for (const [i, value] of values.entries()) out.add((i > 0 ? ' ' : '') + show(value, 'v', plain));
  return `${out.text}\n`;
}

/** A directive: `%`, flags, width, precision, verb; an argument's number may stand before each of the last three. */
const directive =
  /%([-+# 0]*)((?:\[[^\]]*\])?)(\*|\d+)?(?:(\.)((?:\[[^\]]*\])?)(\*|\d+)?)?((?:\[[^\]]*\])?)(.?)/gsu;

/** Reads the arguments of one format in their order, or as `[n]` says. */
class Arguments {
  readonly #values: readonly (Value | Nil)[];
  #next = 0;
  #isReordered = false;
  #isBad = false;

  constructor(values: readonly (Value | Nil)[]) {
    this.#values = values;
  }

  begin(): void {
    this.#isBad = false;
  }

  /** `[n]` makes argument n the next one. */
  go(index: string): void {
    if (index === '') return;
    this.#isReordered = true;
    const number = /^\[(\d+)\]$/.exec(index)?.[1];
    const wanted = Number(number ?? 0);
    if (wanted < 1 || wanted > this.#values.length) this.#isBad = true;
    else this.#next = wanted - 1;
  }

  take(): { readonly value: Value | Nil } | 'BADINDEX' | 'MISSING' {
    if (this.#isBad) return 'BADINDEX';
    if (this.#next >= this.#values.length) return 'MISSING';
    return { value: this.#values[this.#next++] };
  }

  /** What no directive took; where arguments were named by number, none is missed. */
  rest(): readonly (Value | Nil)[] {
    return this.#isReordered ? [] : this.#values.slice(this.#next);
  }
}

/** Width or precision: a number, or the next argument for `*`. A bad one is NaN. */
function sizeOf(source: string, args: Arguments): number {
  if (source !== '*') return bounded(Number(source));
  const taken = args.take();
  const value = typeof taken === 'object' ? taken.value : undefined;
  return value?.kind === 'int' ? bounded(Number(value.value)) : Number.NaN;
}

const bounded = (size: number): number =>
  Math.abs(size) <= limits.templatePaddingMax ? size : Number.NaN;

/** One directive and its arguments, printed. */
function directed(match: readonly (string | undefined)[], args: Arguments): string {
  const [, flags = '', first = '', wide, point, second = '', precise, third = '', verb = ''] =
    match;
  args.begin();
  args.go(first);
  const width = wide === undefined ? undefined : sizeOf(wide, args);
  args.go(second);
  const precision = precise === undefined ? undefined : sizeOf(precise, args);
  args.go(third);
  const bad =
    (Number.isNaN(width) ? '%!(BADWIDTH)' : '') + (Number.isNaN(precision) ? '%!(BADPREC)' : '');
  if (verb === '') return `${bad}%!(NOVERB)`;
  if (verb === '%') return `${bad}%`;
  const taken = args.take();
  if (typeof taken === 'string') return `${bad}%!${verb}(${taken})`;
  const format: Format = {
    flags: width !== undefined && width < 0 ? `${flags}-` : flags,
    width: width === undefined || Number.isNaN(width) ? undefined : Math.abs(width),
    precision: point === undefined ? undefined : precisionOf(precision),
  };
  return bad + show(taken.value, verb, formatOfVerb(format, verb));
}

/** A point alone means 0; a bad or negative precision none. */
const precisionOf = (precision = 0): number | undefined => (precision >= 0 ? precision : undefined);

export function sprintf(template: string, values: readonly (Value | Nil)[]): string {
  const args = new Arguments(values);
  const out = new Output();
  let at = 0;
  for (const match of template.matchAll(directive)) {
    out.add(template.slice(at, match.index));
    out.add(directed(match, args));
    at = match.index + match[0].length;
  }
  out.add(template.slice(at));
  const extra = args.rest();
  if (extra.length === 0) return out.text;
  for (const [i, value] of extra.entries())
    out.add(`${i === 0 ? '%!(EXTRA ' : ', '}${value === undefined ? '<nil>' : typed(value)}`);
  return `${out.text})`;
}

const typed = (value: Value): string => `${typeOf(value)}=${show(value, 'v', plain)}`;

/** `%v` gives two flags a meaning of their own. */
function formatOfVerb(format: Format, verb: string): Format {
  if (verb !== 'v') return format;
  const { flags } = format;
  return {
    ...format,
    flags: flags.replaceAll(/[#+]/g, ''),
    goSyntax: flags.includes('#'),
    fieldNames: flags.includes('+'),
  };
}

/** A value that its verb does not fit. */
function badVerb(value: Value | Nil, verb: string, format: Format): string {
  if (value === undefined) return `%!${verb}(<nil>)`;
  return `%!${verb}(${typeOf(value)}=${show(value, 'v', format)})`;
}

/** @param isInside of a struct or map */
function show(value: Value | Nil, verb: string, format: Format, isInside = false): string {
  if (value === undefined)
    return verb === 'v' || verb === 'T' ? pad('<nil>', format) : badVerb(value, verb, format);
  if (verb === 'T' && !isInside) return formatString(typeOf(value), 's', format) as string;
  const text = showKind(value, verb, format, isInside);
  return text ?? badVerb(value, verb, format);
}

function showKind(value: Value, verb: string, format: Format, isInside: boolean) {
  switch (value.kind) {
    case 'string':
      return formatString(value.value, verb, format);
    case 'bool':
      return verb === 't' || verb === 'v' ? pad(String(value.value), format) : undefined;
    case 'int':
      return formatInteger(value, verb, format);
    case 'float':
      return formatFloat(value.value, verb, format);
    case 'map': {
      const inner = sortedEntries(value.value).map(
        ([k, v]) => `${show(string(k), verb, format, true)}:${show(string(v), verb, format, true)}`,
      );
      return format.goSyntax === true
        ? `map[string]string{${inner.join(', ')}}`
        : `map[${inner.join(' ')}]`;
    }
    case 'struct':
      return showStruct(value, verb, format);
    case 'pointer':
      if (verb === 'p' || isInside) throw new CallError(unsupported('addresses are'));
      return `&${showStruct(value.to, verb, format)}`;
  }
}

function showStruct(value: Struct, verb: string, format: Format): string {
  const goSyntax = format.goSyntax === true;
  const named = goSyntax || format.fieldNames === true;
  const inner = [...value.fields].map(([name, field]) => {
    const shown = show(field, verb, format, true);
    return named ? `${name}:${shown}` : shown;
  });
  return goSyntax ? `${value.type}{${inner.join(', ')}}` : `{${inner.join(' ')}}`;
}
