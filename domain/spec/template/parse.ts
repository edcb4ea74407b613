/** Parses a template into its syntax tree, by the grammar of Go's text/template and with its error texts. */
import { quote } from '../go-text.ts';
import type { List, Pipeline, Statement, Templates } from './nodes.ts';
import { PipelineParser } from './pipelines.ts';
import { TokenReader } from './reader.ts';

/** What ends a list of statements: `{{end}}`, `{{else}}`, or `{{else if` whose condition follows. */
type Ending = 'end' | 'else';

export class Parser {
  readonly #reader: TokenReader;
  readonly #pipelines: PipelineParser;
  readonly #templates = new Map<string, List>();
  #loops = 0;

  constructor(source: string, functions: ReadonlySet<string>) {
    this.#reader = new TokenReader(source);
    this.#pipelines = new PipelineParser(this.#reader, functions);
  }

  /** The main template stands under `name`, beside those that it defines. */
  run(name: string): Templates {
    const main: Statement[] = [];
    while (this.#reader.peek().kind !== 'end of file') {
      if (this.#takesDefinition()) continue;
      const next = this.#statement();
      if (typeof next === 'string') throw this.#reader.error(`unexpected {{${next}}}`);
      main.push(next);
    }
    this.#define(name, main);
    return this.#templates;
  }

  /** At the top level only: `{{define "name"}}…{{end}}`. */
  #takesDefinition(): boolean {
    const start = this.#reader.place;
    if (this.#reader.take().kind === '{{' && this.#reader.takeSpaced().kind === 'define') {
      const token = this.#reader.takeSpaced();
      if (token.kind !== 'string') throw this.#reader.unexpected(token, 'define clause');
      const name = this.#pipelines.unquoted(token);
      this.#reader.expect('}}', 'define clause');
      this.#body(name, 'define clause');
      return true;
    }
    this.#reader.goBack(start);
    return false;
  }

  /** The statements of a named template, which sees no variable of its surroundings. */
  #body(name: string, where: string): void {
    const outside = {
      variables: this.#pipelines.variables,
      loops: this.#loops,
      line: this.#reader.actionLine,
    };
    this.#pipelines.variables = ['$'];
    this.#loops = 0;
    this.#reader.actionLine = undefined;
    const { list, ending } = this.#list();
    if (ending !== 'end') throw this.#reader.error(`unexpected {{${ending}}} in ${where}`);
    this.#pipelines.variables = outside.variables;
    this.#loops = outside.loops;
    this.#reader.actionLine = outside.line;
    this.#define(name, list);
  }

  /** A template may be defined again while one of the two is empty. */
  #define(name: string, list: List): void {
    const before = this.#templates.get(name);
    if (before === undefined || isBlank(before)) this.#templates.set(name, list);
    else if (!isBlank(list))
      throw this.#reader.error(`template: multiple definition of template ${quote(name)}`);
  }

  #list(): { readonly list: List; readonly ending: Ending } {
    const list: Statement[] = [];
    while (this.#reader.peekSpaced().kind !== 'end of file') {
      const next = this.#statement();
      if (typeof next === 'string') return { list, ending: next };
      list.push(next);
    }
    throw this.#reader.error('unexpected EOF');
  }

  #statement(): Statement | Ending {
    const token = this.#reader.takeSpaced();
    if (token.kind === 'text') return { kind: 'text', text: token.text };
    if (token.kind !== '{{') throw this.#reader.unexpected(token, 'input');
    this.#reader.actionLine = token.line;
    const action = this.#reader.nested(() => this.#action());
    this.#reader.actionLine = undefined;
    return action;
  }

  #action(): Statement | Ending {
    const { kind } = this.#reader.takeSpaced();
    if (kind === 'end') return this.#end();
    if (kind === 'else') return this.#else();
    if (kind === 'if' || kind === 'with' || kind === 'range') return this.#branch(kind);
    if (kind === 'break' || kind === 'continue') return this.#jump(kind);
    if (kind === 'template') return this.#template();
    if (kind === 'block') return this.#block();
    this.#reader.untake();
    return { kind: 'action', pipeline: this.#pipelines.pipeline('command', '}}') };
  }

  #jump(kind: 'break' | 'continue'): Statement {
    const token = this.#reader.takeSpaced();
    if (token.kind !== '}}') throw this.#reader.unexpected(token, `{{${kind}}}`);
    if (this.#loops === 0) throw this.#reader.error(`{{${kind}}} outside {{range}}`);
    return { kind };
  }

  #end(): 'end' {
    this.#reader.expect('}}', 'end');
    return 'end';
  }

  /** An `if` or `with` that follows on the same line is left to the branch that it belongs to. */
  #else(): 'else' {
    const { kind } = this.#reader.peekSpaced();
    if (kind !== 'if' && kind !== 'with') this.#reader.expect('}}', 'else');
    return 'else';
  }

  #branch(kind: 'if' | 'with' | 'range'): Statement {
    const known = this.#pipelines.variables.length;
    const pipeline = this.#pipelines.pipeline(kind, '}}');
    if (kind === 'range') this.#loops += 1;
    const { list, ending } = this.#list();
    if (kind === 'range') this.#loops -= 1;
    const otherwise = ending === 'else' ? this.#otherwise(kind) : undefined;
    this.#pipelines.variables.length = known;
    return { kind, at: pipeline.at, pipeline, body: list, otherwise };
  }

  /** `{{else if}}` needs no end of its own. */
  #otherwise(kind: 'if' | 'with' | 'range'): List {
    if (kind !== 'range' && this.#reader.peek().kind === kind) {
      this.#reader.take();
      return [this.#reader.nested(() => this.#branch(kind))];
    }
    const { list, ending } = this.#list();
    if (ending !== 'end') throw this.#reader.error(`expected end; found {{${ending}}}`);
    return list;
  }

  #block(): Statement {
    const where = 'block clause';
    const { at, name } = this.#templateName(where);
    const pipeline = this.#pipelines.pipeline(where, '}}');
    this.#body(name, where);
    return templateStatement(at, name, pipeline);
  }

  #template(): Statement {
    const where = 'template clause';
    const { at, name } = this.#templateName(where);
    if (this.#reader.peekSpaced().kind !== '}}')
      return templateStatement(at, name, this.#pipelines.pipeline(where, '}}'));
    this.#reader.take();
    return templateStatement(at, name, undefined);
  }

  #templateName(where: string): { readonly at: number; readonly name: string } {
    const token = this.#reader.takeSpaced();
    if (token.kind !== 'string') throw this.#reader.unexpected(token, where);
    return { at: token.at, name: this.#pipelines.unquoted(token) };
  }
}

const templateStatement = (
  at: number,
  name: string,
  pipeline: Pipeline | undefined,
): Statement => ({
  kind: 'template',
  at,
  name,
  pipeline,
  text: `{{template ${quote(name)}${pipeline === undefined ? '' : ` ${pipeline.text}`}}}`,
});

/** Of nothing but white space. */
const isBlank = (list: List): boolean =>
  list.every((statement) => statement.kind === 'text' && statement.text.trim() === '');
