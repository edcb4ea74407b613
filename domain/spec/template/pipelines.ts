/** Parses what stands inside of actions: pipelines of commands. */
import { quote } from '../go-text.ts';
import { unsupported } from './error.ts';
import type { Token, TokenKind } from './lex.ts';
import { numberOf, runeOf, unquote } from './literal.ts';
import type { Command, Operand, Pipeline } from './nodes.ts';
import type { TokenReader } from './reader.ts';

/** Kinds of tokens that begin an operand of a command. */
const operandKinds: ReadonlySet<TokenKind> = new Set<TokenKind>([
  'bool',
  'char',
  'complex',
  'dot',
  'field',
  'identifier',
  'number',
  'nil',
  'string',
  'variable',
  '(',
]);
/** Operands that are values: they take nothing from the stage before them, and have no fields. */
const valueKinds: ReadonlySet<Operand['kind']> = new Set([
  'bool',
  'dot',
  'nil',
  'number',
  'string',
]);

export class PipelineParser {
  /** The variables that are known, `$` first. Who opens a scope cuts them off again. */
  variables: string[] = ['$'];
  readonly #reader: TokenReader;
  readonly #functions: ReadonlySet<string>;

  constructor(reader: TokenReader, functions: ReadonlySet<string>) {
    this.#reader = reader;
    this.#functions = functions;
  }

  /** @param where what the pipeline belongs to, for error texts */
  pipeline(where: string, end: '}}' | ')'): Pipeline {
    const { at } = this.#reader.peekSpaced();
    const { variables, isAssignment } = this.#declarations(where);
    const commands: Command[] = [];
    for (;;) {
      const token = this.#reader.takeSpaced();
      if (token.kind === end) break;
      if (!operandKinds.has(token.kind)) throw this.#reader.unexpected(token, where);
      this.#reader.untake();
      commands.push(this.#command());
    }
    this.#checkStages(commands, where);
    const declared = variables.join(', ') + (isAssignment ? ' = ' : ' := ');
    const text = commands.map((command) => command.text).join(' | ');
    return {
      at,
      text: variables.length === 0 ? text : declared + text,
      variables,
      isAssignment,
      commands,
    };
  }

  #declarations(where: string): Pick<Pipeline, 'variables' | 'isAssignment'> {
    const variables: string[] = [];
    while (this.#reader.peekSpaced().kind === 'variable') {
      const start = this.#reader.place;
      const { text } = this.#reader.take();
      const sign = this.#reader.peekSpaced();
      const isComma = sign.kind === 'other' && sign.text === ',';
      if (!isComma && sign.kind !== '=' && sign.kind !== ':=') {
        this.#reader.goBack(start);
        break;
      }
      this.#reader.take();
      variables.push(text);
      this.variables.push(text);
      if (!isComma) return { variables, isAssignment: sign.kind === '=' };
      this.#checkSecond(where, variables.length);
    }
    return { variables, isAssignment: false };
  }

  /** Only `range` has two variables. */
  #checkSecond(where: string, count: number): void {
    if (where !== 'range' || count > 1)
      throw this.#reader.error(`too many declarations in ${where}`);
    const { kind } = this.#reader.peekSpaced();
    if (kind !== 'variable' && kind !== '}}' && kind !== ')')
      throw this.#reader.error('range can only initialize variables');
  }

  #checkStages(commands: readonly Command[], where: string): void {
    if (commands.length === 0) throw this.#reader.error(`missing value for ${where}`);
    for (const [stage, { operands }] of commands.entries())
      if (stage > 0 && valueKinds.has((operands[0] as Operand).kind))
        throw this.#reader.error(`non executable command in pipeline stage ${stage + 1}`);
  }

  #command(): Command {
    const { at } = this.#reader.peekSpaced();
    const operands: Operand[] = [];
    for (;;) {
      this.#reader.skipSpace();
      const operand = this.#operand();
      if (operand !== undefined) operands.push(operand);
      const token = this.#reader.take();
      if (token.kind === 'space') continue;
      if (token.kind === '}}' || token.kind === ')') this.#reader.untake();
      else if (token.kind !== '|') throw this.#reader.unexpected(token, 'operand');
      break;
    }
    if (operands.length === 0) throw this.#reader.error('empty command');
    return { at, text: operands.map(inCommand).join(' '), operands };
  }

  /** A term with the fields that follow it without a space. */
  #operand(): Operand | undefined {
    const term = this.#term();
    if (term === undefined || this.#reader.peek().kind !== 'field') return term;
    const { at } = this.#reader.peek();
    const names: string[] = [];
    while (this.#reader.peek().kind === 'field') names.push(this.#reader.take().text.slice(1));
    const text = [inCommand(term), ...names].join('.');
    if (term.kind === 'field') return { ...term, at, text, names: [...term.names, ...names] };
    if (term.kind === 'variable') return { ...term, at, text, names: [...term.names, ...names] };
    if (valueKinds.has(term.kind))
      throw this.#reader.error(`unexpected . after term ${quote(term.text)}`);
    return { kind: 'chain', of: term, names, at, text };
  }

  #term(): Operand | undefined {
    const token = this.#reader.takeSpaced();
    const { kind, at, text } = token;
    if (!operandKinds.has(kind)) {
      this.#reader.untake();
      return undefined;
    }
    if (kind === '(') return this.#parenthesis();
    if (kind === 'identifier') return this.#function(token);
    if (kind === 'variable') return this.#variable(token);
    if (kind === 'field') return { kind, names: [text.slice(1)], at, text };
    if (kind === 'bool') return { kind, value: text === 'true', at, text };
    if (kind === 'string') return { kind, value: this.unquoted(token), at, text };
    if (kind === 'dot' || kind === 'nil') return { kind, at, text };
    return this.#number(token);
  }

  #parenthesis(): Operand {
    return this.#reader.nested(() => {
      const pipeline = this.pipeline('parenthesized pipeline', ')');
      return { kind: 'pipeline', pipeline, at: pipeline.at, text: pipeline.text };
    });
  }

  #function({ at, text }: Token): Operand {
    if (!this.#functions.has(text)) throw this.#reader.error(`function ${quote(text)} not defined`);
    return { kind: 'function', name: text, at, text };
  }

  #variable({ at, text }: Token): Operand {
    if (!this.variables.includes(text))
      throw this.#reader.error(`undefined variable ${quote(text)}`);
    return { kind: 'variable', names: [text], at, text };
  }

  #number({ kind, at, text }: Token): Operand {
    if (kind === 'complex' || text.endsWith('i'))
      throw this.#reader.error(unsupported('complex numbers are'));
    const value = kind === 'char' ? runeOf(text) : numberOf(text);
    if (value === 'invalid syntax') throw this.#reader.error(value);
    if (value === 'malformed character constant') throw this.#reader.error(`${value}: ${text}`);
    if (typeof value === 'string') throw this.#reader.error(`${value}: ${quote(text)}`);
    return { kind: 'number', value, at, text };
  }

  /** The value of a string's token. */
  unquoted({ text }: Token): string {
    const value = unquote(text);
    if (value === undefined) throw this.#reader.error('invalid syntax');
    return value;
  }
}

/** A pipeline that is an operand stands in parentheses, which are not its own text. */
const inCommand = ({ kind, text }: Operand): string => (kind === 'pipeline' ? `(${text})` : text);
