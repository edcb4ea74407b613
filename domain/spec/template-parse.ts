/** Lexer and parser of the subset of Go's text/template that `template.ts` evaluates. */

/** One value in a command. `at` is the offset that Go reports for it, `text` how Go prints it. */
export type Operand = { readonly at: number; readonly text: string } & (
  | { readonly kind: 'field'; readonly names: readonly string[] }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'pipeline'; readonly commands: Pipeline }
);
export interface Command {
  readonly at: number;
  readonly text: string;
  /** At least one. */
  readonly operands: readonly Operand[];
}
export type Pipeline = readonly Command[];
export type Part = string | Pipeline;

/** What is wrong and where; `context` is the source text of the node when it failed in evaluation. */
export class TemplateError extends Error {
  readonly at: number;
  readonly context: string | undefined;
  constructor(message: string, at: number, context?: string) {
    super(message);
    this.at = at;
    this.context = context;
  }
}

const functions = new Set(['index', 'join', 'print', 'printf']);
const otherBuiltins = new Set(
  'and break call define block continue else eq ge gt html if js le len lt ne not or println range slice template urlquery with'.split(
    ' ',
  ),
);

interface Token {
  readonly kind: 'field' | 'word' | 'string' | 'number' | '(' | ')' | '|' | 'dot';
  readonly text: string;
  readonly at: number;
  /** Whether white space stands before it: `.A .B` are two operands, `.A.B` is one. */
  readonly spaced: boolean;
}

/** Space, then one of: field, word, string, number, sign. */
const tokenPattern =
  /([ \t\r\n]*)(?:(\.[A-Za-z_]\w*)|([A-Za-z_]\w*)|("(?:[^"\\\n]|\\.)*"|`[^`]*`)|([+-]?\d+(?:\.\d+)?)|([().|]))/y;

function kindOf(match: RegExpExecArray): Token['kind'] {
  if (match[2] !== undefined) return 'field';
  if (match[3] !== undefined) return 'word';
  if (match[4] !== undefined) return 'string';
  if (match[5] !== undefined) return 'number';
  return match[6] === '.' ? 'dot' : (match[6] as '(' | ')' | '|');
}

/** Splits the inside of one action; `start` is its offset in the template. */
function tokensOf(inside: string, start: number): Token[] {
  const tokens: Token[] = [];
  tokenPattern.lastIndex = 0;
  const end = inside.trimEnd().length;
  while (tokenPattern.lastIndex < end) {
    const from = tokenPattern.lastIndex;
    const match = tokenPattern.exec(inside);
    if (match === null)
      throw badToken(inside.slice(from, end).trimStart(), start + from, tokens.length > 0);
    const kind = kindOf(match);
    const space = match[1] ?? '';
    const at = start + from + space.length;
    const next = inside[tokenPattern.lastIndex] ?? ' ';
    if ((kind === 'field' || kind === 'word') && !/[\s.,|:()]/.test(next))
      throw new TemplateError(`bad character ${codePoint(next)} '${next}'`, at);
    const text = match[0].slice(space.length);
    tokens.push({ kind, text, at, spaced: space !== '' || from === 0 });
  }
  return tokens;
}

const codePoint = (c: string): string =>
  `U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;

function badToken(rest: string, at: number, afterOperand: boolean): TemplateError {
  const first = rest.slice(0, 1);
  if (first === '"') return new TemplateError('unterminated quoted string', at);
  if (first === '`') return new TemplateError('unterminated raw quoted string', at);
  if (first === '+' || first === '-')
    return new TemplateError(`illegal number syntax: "${first}"`, at);
  if (first === '$' || first === ':' || first === '=' || first === "'")
    return new TemplateError(
      unsupported(first === "'" ? 'character constants are' : 'variables are'),
      at,
    );
  return new TemplateError(`unexpected "${first}" in ${afterOperand ? 'operand' : 'command'}`, at);
}

const unsupported = (what: string): string =>
  `${what} not supported by natswarm's templates, only fields, ${[...functions].join(', ')}`;

/** Parsing recurses; nobody nests deeper. */
const depthMax = 100;

/** Reads one action's tokens from left to right. */
class Reader {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens;
    this.#end = end;
  }

  get #token(): Token | undefined {
    return this.#tokens[this.#next];
  }

  pipeline(nested: boolean): Pipeline {
    const commands: Command[] = [this.#command()];
    while (this.#token?.kind === '|') {
      this.#next += 1;
      commands.push(this.#command());
    }
    const end = this.#token;
    if (nested && end === undefined) throw new TemplateError('unclosed left paren', this.#end);
    if (!nested && end !== undefined) throw new TemplateError('unexpected right paren', end.at);
    return commands;
  }

  #command(): Command {
    const operands: Operand[] = [];
    const first = this.#token;
    if (first === undefined) throw new TemplateError('missing value for command', this.#end);
    if (first.kind === '|') throw new TemplateError('unexpected "|" in command', first.at);
    for (let token = this.#token; token !== undefined; token = this.#token) {
      if (token.kind === '|' || token.kind === ')') break;
      operands.push(this.#operand(token));
    }
    const [head] = operands;
    if (head === undefined) throw new TemplateError('unexpected right paren', first.at);
    return { at: first.at, text: operands.map((o) => o.text).join(' '), operands };
  }

  #operand(token: Token): Operand {
    this.#next += 1;
    const { at, text } = token;
    switch (token.kind) {
      case 'field':
        return this.#field(token);
      case 'dot':
        return { kind: 'field', names: [], at, text };
      case 'string':
        return { kind: 'literal', value: unquote(token), at, text };
      case 'number':
        return { kind: 'literal', value: Number(text), at, text };
      case '(':
        return this.#parenthesis(token);
      case 'word':
        return word(token);
      case ')':
      case '|':
        throw new TemplateError(`unexpected "${text}" in command`, at);
    }
  }

  /** Fields that follow without a space belong to the first; Go then reports the place of the second. */
  #field(first: Token): Operand {
    const names = [first.text.slice(1)];
    let at = first.at;
    for (let token = this.#token; token?.kind === 'field' && !token.spaced; token = this.#token) {
      if (names.length === 1) at = token.at;
      names.push(token.text.slice(1));
      this.#next += 1;
    }
    const dot = this.#token;
    if (dot?.kind === 'dot' && !dot.spaced)
      throw new TemplateError('unexpected <.> in operand', dot.at);
    return { kind: 'field', names, at, text: `.${names.join('.')}` };
  }

  #parenthesis(open: Token): Operand {
    this.#depth += 1;
    if (this.#depth > depthMax) throw new TemplateError('too many nested parentheses', open.at);
    const commands = this.pipeline(true);
    this.#depth -= 1;
    this.#next += 1;
    const after = this.#token;
    if (after?.kind === 'field' && !after.spaced)
      throw new TemplateError(unsupported('fields of a parenthesis are'), after.at);
    const text = `(${commands.map((c) => c.text).join(' | ')})`;
    return { kind: 'pipeline', commands, at: open.at, text };
  }
}

function word({ text, at }: Token): Operand {
  if (text === 'true' || text === 'false')
    return { kind: 'literal', value: text === 'true', at, text };
  if (text === 'end') throw new TemplateError('unexpected {{end}}', at);
  if (text === 'nil') throw new TemplateError('nil is not a command', at, 'nil');
  if (otherBuiltins.has(text)) throw new TemplateError(unsupported(`"${text}" is`), at);
  if (!functions.has(text)) throw new TemplateError(`function "${text}" not defined`, at);
  return { kind: 'function', name: text, at, text };
}

function unquote({ text, at }: Token): string {
  if (text.startsWith('`')) return text.slice(1, -1);
  try {
    // Go's escapes beyond JSON's (\a, \v, \x, octal) are not worth an own parser.
    return JSON.parse(text.replaceAll('\t', '\\t')) as string;
  } catch {
    throw new TemplateError('invalid syntax', at);
  }
}

/** A literal cannot take the value of the stage before it. */
function checkStages(pipeline: Pipeline): void {
  for (const [stage, { operands }] of pipeline.entries()) {
    const head = operands[0] as Operand;
    if (stage > 0 && head.kind === 'literal')
      throw new TemplateError(`non executable command in pipeline stage ${stage + 1}`, head.at);
    for (const operand of operands) if (operand.kind === 'pipeline') checkStages(operand.commands);
  }
}

/** Where an action ends: the first `}}` outside of strings, or -1. */
function actionEnd(source: string, from: number): number {
  const end = /"(?:[^"\\\n]|\\.)*"|`[^`]*`|\}\}/g;
  end.lastIndex = from;
  for (let match = end.exec(source); match !== null; match = end.exec(source))
    if (match[0] === '}}') return match.index;
  return -1;
}

/** Parses a whole template into texts and pipelines. */
export function parseTemplate(source: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  let trimNext = false;
  const add = (text: string, trimEnd: boolean): void => {
    const start = trimNext ? text.trimStart() : text;
    const trimmed = trimEnd ? start.trimEnd() : start;
    if (trimmed !== '') parts.push(trimmed);
  };
  for (;;) {
    const open = source.indexOf('{{', at);
    if (open === -1) break;
    const trimBefore = /^-[ \t\r\n]/.test(source.slice(open + 2, open + 4));
    add(source.slice(at, open), trimBefore);
    const inside = open + (trimBefore ? 3 : 2);
    const comment = /^[ \t\r\n]*\/\*/.test(source.slice(inside));
    const close = comment ? commentEnd(source, inside) : actionEnd(source, inside);
    if (close === -1) throw unclosed(source, inside, comment);
    trimNext = /[ \t\r\n]-$/.test(source.slice(inside, close));
    if (!comment) {
      const body = source.slice(inside, trimNext ? close - 1 : close);
      const pipeline = new Reader(tokensOf(body, inside), close).pipeline(false);
      checkStages(pipeline);
      parts.push(pipeline);
    }
    at = close + 2;
  }
  add(source.slice(at), false);
  return parts;
}

/** A bad character inside is told before the missing end. */
function unclosed(source: string, inside: number, comment: boolean): TemplateError {
  if (!comment) tokensOf(source.slice(inside), inside);
  return new TemplateError(comment ? 'unclosed comment' : 'unclosed action', inside);
}

function commentEnd(source: string, from: number): number {
  const end = source.indexOf('*/', from);
  return end === -1 ? -1 : source.indexOf('}}', end);
}
