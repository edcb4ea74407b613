/**
 * Templates in service specs: a subset of Go's text/template with Swarm's data (swarm-compat §3.4) and Go's error
 * texts. Supported are fields, `index`, `join`, `print`, `printf`, pipelines, parentheses, literals, comments and
 * trim markers; everything else is refused by name. As in Swarm, a missing key is an error (`missingkey=error`),
 * but `index` of a missing label is ''.
 */
import { limits } from '../limits.ts';
import type { Labels } from '../model/spec.ts';
import { invalid } from './faults.ts';
import { quote } from './go-text.ts';
import type { Command, Operand, Pipeline } from './template-parse.ts';
import { parseTemplate, TemplateError } from './template-parse.ts';

export interface TemplateData {
  readonly Service: { readonly ID: string; readonly Name: string; readonly Labels: Labels };
  readonly Node: {
    readonly ID: string;
    readonly Hostname: string;
    readonly Platform: { readonly Architecture: string; readonly OS: string };
  };
  /** `Slot` is the node's ID in global services. */
  readonly Task: { readonly ID: string; readonly Name: string; readonly Slot: string };
}

/** What the data looks like to Go; told in error texts. */
interface Shape {
  readonly name: string;
  readonly fields: Readonly<Record<string, Shape>>;
}
const text: Shape = { name: 'string', fields: {} };
const labels: Shape = { name: 'map[string]string', fields: {} };
const shapeOf = (name: string, fields: Readonly<Record<string, Shape>>): Shape => ({
  name,
  fields,
});
const root = shapeOf('*template.Context', {
  Service: shapeOf('struct { ID string; Name string; Labels map[string]string }', {
    ID: text,
    Name: text,
    Labels: labels,
  }),
  Node: shapeOf('struct { ID string; Hostname string; Platform template.Platform }', {
    ID: text,
    Hostname: text,
    Platform: shapeOf('template.Platform', { Architecture: text, OS: text }),
  }),
  Task: shapeOf('struct { ID string; Name string; Slot string }', {
    ID: text,
    Name: text,
    Slot: text,
  }),
});

type Scalar = string | number | boolean;
/** A value with its type's name; `map` and `struct` values are objects. */
interface Value {
  readonly type: string;
  readonly value: Scalar | object;
}
const scalar = (value: Scalar): Value => ({
  type: typeof value === 'number' ? 'int' : typeof value === 'boolean' ? 'bool' : 'string',
  value,
});

function fieldOf(node: Operand & { kind: 'field' }, data: TemplateData): Value {
  let shape = root;
  let value: unknown = data;
  for (const name of node.names) {
    const inner = Object.hasOwn(shape.fields, name) ? shape.fields[name] : undefined;
    const found = Object.hasOwn(value as object, name)
      ? (value as Readonly<Record<string, unknown>>)[name]
      : undefined;
    if (shape === labels && found === undefined)
      throw new TemplateError(`map has no entry for key ${quote(name)}`, node.at, node.text);
    if (shape !== labels && inner === undefined)
      throw new TemplateError(
        `can't evaluate field ${name} in type ${shape.name}`,
        node.at,
        node.text,
      );
    shape = inner ?? text;
    value = found;
  }
  return { type: shape.name, value: value as Value['value'] };
}

/** One argument of a function, with the node to blame. */
interface Argument extends Value {
  readonly at: number;
  readonly text: string;
}

function stringOf(argument: Argument): string {
  if (typeof argument.value === 'string') return argument.value;
  throw new TemplateError(
    argument.type === labels.name || typeof argument.value === 'object'
      ? `wrong type for value; expected string; got ${argument.type}`
      : `expected string; found ${argument.text}`,
    argument.at,
    argument.text,
  );
}

function join(args: readonly Argument[], node: Operand): Value {
  const [separator, ...rest] = args.map(stringOf);
  if (separator === undefined)
    throw new TemplateError(
      'error calling join: runtime error: slice bounds out of range [1:0]',
      node.at,
      node.text,
    );
  return scalar(rest.join(separator));
}

function index(args: readonly Argument[], node: Operand, command: Command): Value {
  const [map, key, ...more] = args;
  if (map === undefined)
    throw new TemplateError(
      'wrong number of args for index: want at least 1 got 0',
      node.at,
      node.text,
    );
  if (key === undefined) return map;
  const fail = (why: string): TemplateError =>
    new TemplateError(`error calling index: ${why}`, node.at, command.text);
  if (map.type !== labels.name) throw fail(`can't index item of type ${map.type}`);
  if (typeof key.value !== 'string') throw fail(`value has type ${key.type}; should be string`);
  if (more.length > 0) throw fail('cannot index slice/array with type string');
  const found = Object.hasOwn(map.value as Labels, key.value)
    ? (map.value as Labels)[key.value]
    : '';
  return scalar(found ?? '');
}

function show({ type, value }: Value): string {
  if (typeof value !== 'object') return String(value);
  if (type !== labels.name)
    throw new TemplateError(`a whole ${type} cannot be printed by natswarm's templates`, 0);
  const pairs = Object.entries(value as Labels).map(([k, v]) => `${k}:${v}`);
  return `map[${pairs.sort().join(' ')}]`;
}

/** Go's fmt.Sprint: a space between two operands when neither is a string. */
function print(args: readonly Argument[]): Value {
  let out = '';
  for (const [i, argument] of args.entries()) {
    const before = args[i - 1];
    if (before !== undefined && before.type !== 'string' && argument.type !== 'string') out += ' ';
    out += show(argument);
  }
  return scalar(out);
}

function printf(args: readonly Argument[], node: Operand): Value {
  const [format, ...rest] = args;
  if (format === undefined)
    throw new TemplateError(
      'wrong number of args for printf: want at least 1 got 0',
      node.at,
      node.text,
    );
  const out = stringOf(format).replaceAll(/%(.?)/gs, (_, verb: string) => {
    if (verb === '%') return '%';
    const argument = rest.shift();
    if (argument === undefined) return `%!${verb}(MISSING)`;
    if (verb === 'q' && typeof argument.value === 'string') return quote(argument.value);
    const fits =
      verb === 'v' ||
      (verb === 's' ? argument.type === 'string' : verb === 'd' && argument.type === 'int');
    if (!fits)
      throw new TemplateError(
        `printf verb %${verb} of a ${argument.type} is not supported by natswarm's templates`,
        node.at,
        node.text,
      );
    return show(argument);
  });
  if (rest.length > 0) throw new TemplateError('printf has too many arguments', node.at, node.text);
  return scalar(out);
}

type Builtin = (args: readonly Argument[], node: Operand, command: Command) => Value;
const builtins: Readonly<Record<string, Builtin>> = { index, join, print, printf };

function operand(node: Operand, data: TemplateData): Value {
  switch (node.kind) {
    case 'field':
      return fieldOf(node, data);
    case 'literal':
      return scalar(node.value);
    case 'pipeline':
      return evaluate(node.commands, data);
    case 'function':
      return (builtins[node.name] as Builtin)([], node, {
        at: node.at,
        text: node.text,
        operands: [node],
      });
  }
}

/** `piped` is the result of the stage before, the last argument of this one. */
function call(command: Command, piped: Argument | undefined, data: TemplateData): Value {
  const [head, ...others] = command.operands as [Operand, ...Operand[]];
  if (head.kind === 'function') {
    const args = others.map(
      (node): Argument => ({ ...operand(node, data), at: node.at, text: node.text }),
    );
    if (piped !== undefined) args.push(piped);
    return (builtins[head.name] as Builtin)(args, head, command);
  }
  if (others.length === 0 && piped === undefined) return operand(head, data);
  if (head.kind === 'field' && head.names.length > 0) {
    fieldOf(head, data);
    throw new TemplateError(
      `${head.names.at(-1)} has arguments but cannot be invoked as function`,
      head.at,
      head.text,
    );
  }
  throw new TemplateError(`can't give argument to non-function ${head.text}`, head.at, head.text);
}

function evaluate(pipeline: Pipeline, data: TemplateData): Value {
  let result: Argument | undefined;
  for (const command of pipeline)
    result = { ...call(command, result, data), at: command.at, text: command.text };
  return result as Argument;
}

export const isTemplate = (source: string): boolean => source.includes('{{');

function render(source: string, data: TemplateData): string {
  let out = '';
  for (const part of parseTemplate(source)) {
    out += typeof part === 'string' ? part : show(evaluate(part, data));
    // A large label, used often, would make a text without end.
    if (out.length > limits.specBytesMax) throw new TemplateError('the expansion is too large', 0);
  }
  return out;
}

/** Expands one text. Throws a `Fault` with Go's words, e.g. `template: expansion:1: unclosed action`. */
export function expandTemplate(source: string, data: TemplateData): string {
  if (!isTemplate(source)) return source;
  try {
    return render(source, data);
  } catch (error) {
    if (error instanceof TemplateError)
      throw invalid(`template: expansion:${placed(error, source)}`);
    throw error;
  }
}

function placed({ at, context, message }: TemplateError, source: string): string {
  const before = source.slice(0, at).split('\n');
  const line = before.length;
  if (context === undefined) return `${line}: ${message}`;
  return `${line}:${before.at(-1)?.length ?? 0}: executing "expansion" at <${context}>: ${message}`;
}
