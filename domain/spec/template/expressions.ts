/** Evaluates what stands inside of actions: pipelines, fields, variables and calls of functions. */
import { quote } from '../go-text.ts';
import type { Budget } from './budget.ts';
import { CallError, TemplateError } from './error.ts';
import { functions, type TemplateFunction } from './functions.ts';
import type { Command, Operand, Pipeline } from './nodes.ts';
import { int, isTrue, type Nil, string, typeOf, type Value } from './value.ts';

type Any = Value | Nil;
/** Nothing was piped into a command; nil can be. */
const nothing = Symbol('nothing');
type Piped = Any | typeof nothing;

interface Node {
  readonly at: number;
  readonly text: string;
}

export class Expressions {
  /** The template that is evaluated and the node, for error texts. */
  template: string;
  node: Node | undefined;
  /** The variables that are known, the innermost last. */
  variables: { readonly name: string; value: Any }[];
  readonly #budget: Budget;

  constructor(template: string, data: Value, budget: Budget) {
    this.template = template;
    this.variables = [{ name: '$', value: data }];
    this.#budget = budget;
  }

  error(message: string): TemplateError {
    const { at, text } = this.node ?? { at: 0, text: '' };
    return new TemplateError(message, { at, text, template: this.template });
  }

  /** The value of a pipeline; declares or sets its variables. */
  pipeline(pipeline: Pipeline, dot: Any): Any {
    this.node = pipeline;
    let value: Piped = nothing;
    for (const command of pipeline.commands) value = this.#command(command, value, dot);
    const result = value === nothing ? undefined : value;
    for (const name of pipeline.variables)
      if (pipeline.isAssignment) this.variable(name).value = result;
      else this.variables.push({ name, value: result });
    return result;
  }

  /** The innermost variable of that name. */
  variable(name: string): { value: Any } {
    const found = this.variables.findLast((variable) => variable.name === name);
    if (found === undefined) throw this.error(`undefined variable: ${name}`);
    return found;
  }

  #command(command: Command, piped: Piped, dot: Any): Any {
    const [head, ...args] = command.operands as [Operand, ...Operand[]];
    this.#budget.spend(0);
    const hasArguments = args.length > 0 || piped !== nothing;
    if (head.kind === 'chain') return this.#chain(head, dot, hasArguments);
    if (head.kind === 'variable') return this.#variableFields(head, hasArguments);
    if (head.kind === 'pipeline' && !hasArguments) return this.pipeline(head.pipeline, dot);
    if (head.kind !== 'pipeline') this.node = head;
    if (head.kind === 'function') return this.#call(head.name, args, piped, dot, command);
    if (head.kind === 'field') return this.#fields(dot, head.names, hasArguments);
    if (hasArguments) throw this.#notFunction(head);
    return this.#literal(head, dot);
  }

  #notFunction = ({ text }: Node): TemplateError =>
    this.error(`can't give argument to non-function ${text}`);

  #literal(node: Operand, dot: Any): Any {
    if (node.kind === 'dot') return dot;
    if (node.kind === 'bool') return { kind: 'bool', value: node.value };
    if (node.kind === 'string') return string(node.value);
    if (node.kind === 'number') return this.#number(node);
    throw this.error('nil is not a command');
  }

  #number({ value, text }: Operand & { kind: 'number' }): Any {
    if (value.type === 'overflow') throw this.error(`${text} overflows int`);
    return value.type === 'int' ? int(value.value) : { kind: 'float', value: value.value };
  }

  #variableFields(node: Operand & { kind: 'variable' }, hasArguments: boolean): Any {
    this.node = node;
    const [name, ...names] = node.names;
    const { value } = this.variable(name);
    if (names.length > 0) return this.#fields(value, names, hasArguments);
    if (hasArguments) throw this.#notFunction(node);
    return value;
  }

  #chain(node: Operand & { kind: 'chain' }, dot: Any, hasArguments: boolean): Any {
    this.node = node;
    if (node.of.kind === 'nil')
      throw this.error(`indirection through explicit nil in ${node.text}`);
    const value = this.#argument(node.of, 'any', dot);
    return this.#fields(value, node.names, hasArguments);
  }

  #fields(value: Any, names: readonly string[], hasArguments: boolean): Any {
    let found = value;
    for (const [i, name] of names.entries())
      found = this.#field(found, name, hasArguments && i === names.length - 1);
    return found;
  }

  #field(receiver: Any, name: string, hasArguments: boolean): Any {
    if (receiver === undefined) throw this.error(`nil data; no entry for key ${quote(name)}`);
    const item = receiver.kind === 'pointer' ? receiver.to : receiver;
    if (item.kind === 'map') {
      if (hasArguments) throw this.error(`${name} is not a method but has arguments`);
      if (!Object.hasOwn(item.value, name))
        throw this.error(`map has no entry for key ${quote(name)}`);
      return string(item.value[name] ?? '');
    }
    const field = item.kind === 'struct' ? item.fields.get(name) : undefined;
    if (field === undefined)
      throw this.error(`can't evaluate field ${name} in type ${typeOf(receiver)}`);
    if (hasArguments) throw this.error(`${name} has arguments but cannot be invoked as function`);
    return field;
  }

  // ------------------------------------------------------------------------------ functions

  #call(name: string, args: readonly Operand[], piped: Piped, dot: Any, node: Node): Any {
    const given = args.length + (piped === nothing ? 0 : 1);
    if (name === 'call') return this.#callValue(args, piped, dot, node);
    const called = functions[name] as TemplateFunction;
    this.#checkCount(name, called, given, args.length);
    if (name === 'and' || name === 'or') return this.#shortCircuit(name === 'or', args, piped, dot);
    const parameter = (i: number) => called.parameters[i] ?? called.more ?? 'any';
    const values = args.map((arg, i) => this.#argument(arg, parameter(i), dot));
    if (piped !== nothing) values.push(this.#typed(piped, parameter(args.length)));
    for (const value of values)
      this.#budget.spend(value?.kind === 'string' ? value.value.length : 0);
    try {
      return called.run(values);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.node = node;
      throw this.error(`error calling ${name}: ${error.message}`);
    }
  }

  #checkCount(name: string, called: TemplateFunction, given: number, written: number): void {
    const wanted = called.parameters.length;
    if (called.more !== undefined && given < wanted)
      throw this.error(`wrong number of args for ${name}: want at least ${wanted} got ${written}`);
    if (called.more === undefined && given !== wanted)
      throw this.error(`wrong number of args for ${name}: want ${wanted} got ${given}`);
  }

  /** No value of a template is a function, so `call` always fails. */
  #callValue(args: readonly Operand[], piped: Piped, dot: Any, node: Node): never {
    const given = args.length + (piped === nothing ? 0 : 1);
    if (given === 0) throw this.error('wrong number of args for call: want at least 1 got 0');
    const values = args.map((arg) => this.#argument(arg, 'any', dot));
    const callee = args.length > 0 ? values[0] : piped === nothing ? undefined : piped;
    this.node = node;
    if (callee === undefined) throw this.error('error calling call: call of nil');
    const shown = callee.kind === 'string' ? callee.value : `<${typeOf(callee)} Value>`;
    const name = args[0]?.text ?? shown;
    throw this.error(`error calling call: non-function ${name} of type ${typeOf(callee)}`);
  }

  #shortCircuit(wanted: boolean, args: readonly Operand[], piped: Piped, dot: Any): Any {
    let value: Any;
    for (const arg of args) {
      value = this.#argument(arg, 'any', dot);
      if (isTrue(value) === wanted) return value;
    }
    return piped === nothing ? value : piped;
  }

  #argument(node: Operand, parameter: 'string' | 'any', dot: Any): Any {
    this.node = node;
    if (node.kind === 'nil') {
      if (parameter === 'string') throw this.error('cannot assign nil to string');
      return undefined;
    }
    if (parameter === 'string' && (node.kind === 'bool' || node.kind === 'number'))
      throw this.error(`expected string; found ${node.text}`);
    return this.#typed(this.#operand(node, dot), parameter);
  }

  /** The value of an operand that stands for itself, without arguments. */
  #operand(node: Operand, dot: Any): Any {
    if (node.kind === 'field') return this.#fields(dot, node.names, false);
    if (node.kind === 'variable') return this.#variableFields(node, false);
    if (node.kind === 'pipeline') return this.pipeline(node.pipeline, dot);
    if (node.kind === 'function') return this.#call(node.name, [], nothing, dot, node);
    if (node.kind === 'chain') return this.#chain(node, dot, false);
    return this.#literal(node, dot);
  }

  #typed(value: Any, parameter: 'string' | 'any'): Any {
    if (parameter === 'any' || value?.kind === 'string') return value;
    if (value === undefined) throw this.error('invalid value; expected string');
    throw this.error(`wrong type for value; expected string; got ${typeOf(value)}`);
  }
}
