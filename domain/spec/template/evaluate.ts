/** Evaluates a parsed template, by the rules and with the error texts of Go's text/template. */
import { quote } from '../go-text.ts';
import type { Budget } from './budget.ts';
import { Expressions } from './expressions.ts';
import { sprint } from './format.ts';
import type { Branch, List, Pipeline, Statement, Templates } from './nodes.ts';
import { isTrue, type Nil, sortedEntries, string, type Value } from './value.ts';

type Any = Value | Nil;
/** How a statement ended. */
type Flow = 'go on' | 'break' | 'continue';

/** Templates that call each other, deeper than anyone nests. */
const depthMax = 200;

export class Evaluation {
  readonly #templates: Templates;
  readonly #name: string;
  readonly #data: Value;
  readonly #budget: Budget;
  readonly #expressions: Expressions;
  #depth = 0;
  #out = '';

  /** @param name of the template to begin with */
  constructor(templates: Templates, name: string, data: Value, budget: Budget) {
    this.#templates = templates;
    this.#name = name;
    this.#data = data;
    this.#budget = budget;
    this.#expressions = new Expressions(name, data, budget);
  }

  run(): string {
    this.#list(this.#templates.get(this.#name) ?? [], this.#data);
    return this.#out;
  }

  #print(text: string): void {
    this.#budget.spend(text.length);
    this.#out += text;
  }

  #list(list: List, dot: Any): Flow {
    for (const statement of list) {
      this.#budget.spend(0);
      const flow = this.#statement(statement, dot);
      if (flow !== 'go on') return flow;
    }
    return 'go on';
  }

  #statement(statement: Statement, dot: Any): Flow {
    switch (statement.kind) {
      case 'text':
        this.#print(statement.text);
        return 'go on';
      case 'action':
        return this.#action(statement.pipeline, dot);
      case 'break':
      case 'continue':
        return statement.kind;
      case 'if':
      case 'with':
        return this.#scoped(() => this.#condition(statement, dot));
      case 'range':
        return this.#scoped(() => this.#range(statement, dot));
      case 'template':
        return this.#template(statement, dot);
    }
  }

  /** Variables that are declared inside are gone afterwards. */
  #scoped<T>(run: () => T): T {
    const known = this.#expressions.variables.length;
    const result = run();
    this.#expressions.variables.length = known;
    return result;
  }

  #action(pipeline: Pipeline, dot: Any): Flow {
    const value = this.#expressions.pipeline(pipeline, dot);
    if (pipeline.variables.length > 0) return 'go on';
    const shown = value?.kind === 'pointer' ? value.to : value;
    this.#print(shown === undefined ? '<no value>' : sprint([shown]));
    return 'go on';
  }

  #condition({ kind, pipeline, body, otherwise }: Statement & Branch, dot: Any): Flow {
    const value = this.#expressions.pipeline(pipeline, dot);
    if (isTrue(value)) return this.#list(body, kind === 'with' ? value : dot);
    return otherwise === undefined ? 'go on' : this.#list(otherwise, dot);
  }

  #range(branch: Branch, dot: Any): Flow {
    const { pipeline, body, otherwise } = branch;
    const value = this.#expressions.pipeline(pipeline, dot);
    let isEmpty = true;
    for (const [key, element] of this.#elements(value, pipeline)) {
      isEmpty = false;
      this.#budget.spend(0);
      this.#setLoopVariables(pipeline, key, element);
      const flow = this.#scoped(() => this.#list(body, element));
      if (flow === 'break') return 'go on';
    }
    return isEmpty && otherwise !== undefined ? this.#list(otherwise, dot) : 'go on';
  }

  *#elements(value: Any, { variables }: Pipeline): Generator<readonly [key: Any, element: Any]> {
    const item = value?.kind === 'pointer' ? value.to : value;
    if (item === undefined) return;
    if (item.kind === 'map') {
      for (const [key, element] of sortedEntries(item.value)) yield [string(key), string(element)];
    } else if (item.kind === 'int') {
      if (variables.length > 1)
        throw this.#expressions.error(
          `can't use ${item.value} to iterate over more than one variable`,
        );
      for (let i = 0n; i < item.value; i += 1n) yield [undefined, { ...item, value: i }];
    } else throw this.#expressions.error(`range can't iterate over ${sprint([item])}`);
  }

  /** One variable gets the element; of two the first gets the key. */
  #setLoopVariables({ variables, isAssignment }: Pipeline, key: Any, element: Any): void {
    const values = variables.length > 1 ? [key, element] : [element];
    for (const [i, name] of variables.entries()) {
      const variable = isAssignment
        ? this.#expressions.variable(name)
        : this.#expressions.variables.at(i - variables.length);
      if (variable !== undefined) variable.value = values[i];
    }
  }

  #template(statement: Statement & { kind: 'template' }, dot: Any): Flow {
    this.#expressions.node = statement;
    const { name, pipeline } = statement;
    const list = this.#templates.get(name);
    if (list === undefined) throw this.#expressions.error(`template ${quote(name)} not defined`);
    if (this.#depth === depthMax)
      throw this.#expressions.error(`exceeded maximum template depth (${depthMax})`);
    const data = pipeline === undefined ? undefined : this.#expressions.pipeline(pipeline, dot);
    const outside = {
      variables: this.#expressions.variables,
      template: this.#expressions.template,
    };
    this.#expressions.variables = [{ name: '$', value: data }];
    this.#expressions.template = name;
    this.#depth += 1;
    this.#list(list, data);
    this.#depth -= 1;
    this.#expressions.template = outside.template;
    this.#expressions.variables = outside.variables;
    return 'go on';
  }
}
