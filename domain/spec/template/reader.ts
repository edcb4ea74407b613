/** Reads the tokens of a template from left to right, and tells errors as Go's parser does. */
import { TemplateError } from './error.ts';
import { describeToken, type Token, type TokenKind, tokensOf } from './lex.ts';

/** Parsing and evaluation recurse; nobody nests deeper. */
const depthMax = 200;

export class TokenReader {
  /** Line of the action that is read, for errors further below. */
  actionLine: number | undefined;
  readonly #tokens: readonly Token[];
  #next = 0;
  /** The furthest token looked at: errors are told at its line. */
  #furthest = 0;
  #depth = 0;

  constructor(source: string) {
    this.#tokens = tokensOf(source);
  }

  /** The place in the tokens, for `goBack`. */
  get place(): number {
    return this.#next;
  }

  goBack(place: number): void {
    this.#next = place;
  }

  peek(): Token {
    this.#furthest = Math.max(this.#furthest, this.#next);
    return this.#at(this.#next);
  }

  take(): Token {
    const token = this.peek();
    this.#next += 1;
    return token;
  }

  /** Gives the last token back. */
  untake(): void {
    this.#next -= 1;
  }

  skipSpace(): void {
    if (this.peek().kind === 'space') this.#next += 1;
  }

  peekSpaced(): Token {
    this.skipSpace();
    return this.peek();
  }

  takeSpaced(): Token {
    this.skipSpace();
    return this.take();
  }

  expect(kind: TokenKind, where: string): Token {
    const token = this.takeSpaced();
    if (token.kind !== kind) throw this.unexpected(token, where);
    return token;
  }

  error(message: string): TemplateError {
    return new TemplateError(message, { line: this.#at(this.#furthest).line });
  }

  /** Errors of the lexer are tokens too. */
  unexpected(token: Token, where: string): TemplateError {
    if (token.kind !== 'error') return this.error(`unexpected ${describeToken(token)} in ${where}`);
    const begun = this.actionLine;
    if (begun === undefined || begun === token.line) return this.error(token.text);
    const what = token.text.endsWith(' action') ? '' : ' in action';
    return this.error(`${token.text}${what} started at expansion:${begun}`);
  }

  /** Runs one level of nesting. */
  nested<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > depthMax) throw this.error('max expression depth exceeded');
    const result = read();
    this.#depth -= 1;
    return result;
  }

  /** The last token, which ends the template, comes again and again. */
  #at(place: number): Token {
    return this.#tokens[Math.min(place, this.#tokens.length - 1)] as Token;
  }
}
