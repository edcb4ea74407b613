/** Splits a template into tokens, by the lexical rules of Go's text/template. */
import { quote } from '../go-text.ts';
import { charactersOf, utf8 } from './value.ts';

const keywords = [
  'block',
  'break',
  'continue',
  'define',
  'else',
  'end',
  'if',
  'nil',
  'range',
  'template',
  'with',
] as const;
type Keyword = (typeof keywords)[number];
const keywordSet: ReadonlySet<string> = new Set(keywords);

export type TokenKind =
  | Keyword
  | 'text'
  | '{{'
  | '}}'
  | 'space'
  | '='
  | ':='
  | '|'
  | '('
  | ')'
  | 'string'
  | 'char'
  | 'number'
  | 'complex'
  | 'variable'
  | 'field'
  | 'dot'
  | 'identifier'
  | 'bool'
  | 'other'
  | 'end of file'
  | 'error';

export interface Token {
  readonly kind: TokenKind;
  /** Its source; the message of an error. */
  readonly text: string;
  /** Offset in the template. */
  readonly at: number;
  /** Counted from 1. */
  readonly line: number;
}

/** How the parser's messages name a token. */
export function describeToken({ kind, text }: Token): string {
  if (kind === 'end of file') return 'EOF';
  if (kind === 'error') return text;
  if (keywordSet.has(kind)) return `<${text}>`;
  if (kind === 'dot') return '<.>';
  const isLong = utf8(text).length > 10;
  return isLong ? `${quote(charactersOf(text).slice(0, 10).join(''))}...` : quote(text);
}

const word = /[\p{L}\p{Nd}_]*/uy;
const space = /[ \t\r\n]+/y;
const quoted = /"(?:[^"\\\n]|\\[^\n])*"/y;
const rawQuoted = /`[^`]*`/y;
const character = /'(?:[^'\\\n]|\\[^\n])*'/y;
/** More than Go accepts; numbers.ts refuses the rest. */
const number =
  /[+-]?(?:0[xX][\da-fA-F_]*(?:\.[\da-fA-F_]*)?(?:[pP][+-]?[\d_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?|[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?[\d_]*)?)i?/y;

/** Signs whose token is their own kind. */
const signs: ReadonlySet<string> = new Set(['=', '|', '(', ')']);

/** The match of a sticky pattern at a place, or undefined. */
function matchAt(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}

class Lexer {
  readonly tokens: Token[] = [];
  readonly #source: string;
  #at = 0;
  #line = 1;
  #parens = 0;

  constructor(source: string) {
    this.#source = source;
  }

  run(): readonly Token[] {
    while (this.#text() && this.#action());
    return this.tokens;
  }

  /** The text in front of an action; false at the end of the template. */
  #text(): boolean {
    const open = this.#source.indexOf('{{', this.#at);
    const end = open === -1 ? this.#source.length : open;
    const whole = this.#source.slice(this.#at, end);
    const text = this.#startsTrimmed(end + 2) ? whole.replace(/[ \t\r\n]+$/, '') : whole;
    if (text !== '') this.#push('text', text.length);
    this.#skip(end - this.#at);
    if (open === -1) this.#push('end of file', 0);
    return open !== -1;
  }

  /** Everything from `{{` to `}}`; false after an error. */
  #action(): boolean {
    const trimmed = this.#startsTrimmed(this.#at + 2);
    const inside = this.#at + (trimmed ? 4 : 2);
    if (this.#source.startsWith('/*', inside)) return this.#comment(inside);
    this.#push('{{', 2);
    if (trimmed) this.#skip(2);
    this.#parens = 0;
    for (;;) {
      const end = this.#delimiter(this.#at);
      if (end !== 0 && this.#parens > 0) return this.#fail('unclosed left paren');
      if (end !== 0) return this.#close(end);
      if (this.#at >= this.#source.length) return this.#fail('unclosed action');
      if (!this.#token()) return false;
    }
  }

  #startsTrimmed = (at: number): boolean => /^-[ \t\r\n]/.test(this.#source.slice(at, at + 2));

  /** Length of the closing delimiter at a place with its trim marker, or 0. */
  #delimiter(at: number): number {
    if (this.#source.startsWith('}}', at)) return 2;
    return /^[ \t\r\n]-\}\}/.test(this.#source.slice(at, at + 4)) ? 4 : 0;
  }

  #close(length: number): true {
    if (length === 4) this.#skip(2);
    this.#push('}}', 2);
    if (length === 4) this.#skip(matchAt(space, this.#source, this.#at)?.length ?? 0);
    return true;
  }

  #comment(inside: number): boolean {
    this.#skip(inside - this.#at);
    const end = this.#source.indexOf('*/', inside + 2);
    if (end === -1) return this.#fail('unclosed comment');
    const length = this.#delimiter(end + 2);
    if (length === 0) return this.#fail('comment ends before closing delimiter');
    this.#skip(end + 2 + length - this.#at);
    if (length === 4) this.#skip(matchAt(space, this.#source, this.#at)?.length ?? 0);
    return true;
  }

  /** One token inside an action; false after an error. */
  #token(): boolean {
    const source = this.#source;
    const first = String.fromCodePoint(source.codePointAt(this.#at) ?? 0);
    if (' \t\r\n'.includes(first)) return this.#space();
    if (signs.has(first)) return this.#sign(first as '=' | '|' | '(' | ')');
    if (first === ':')
      return source[this.#at + 1] === '=' ? this.#push(':=', 2) : this.#fail('expected :=');
    if (first === '"') return this.#literal('string', quoted, 'unterminated quoted string');
    if (first === '`') return this.#literal('string', rawQuoted, 'unterminated raw quoted string');
    if (first === "'") return this.#literal('char', character, 'unterminated character constant');
    if (first === '$') return this.#name('variable', 1);
    if (first === '.' && !/\d/.test(source[this.#at + 1] ?? '')) return this.#name('field', 1);
    if (/[.+\-\d]/.test(first)) return this.#number();
    if (/[\p{L}\p{Nd}_]/u.test(first)) return this.#name('identifier', 0);
    if (first >= ' ' && first <= '~') return this.#push('other', 1);
    return this.#fail(`unrecognized character in action: ${codePoint(first)}`);
  }

  /** A space that belongs to a closing trim marker is left to it. */
  #space(): true {
    const run = matchAt(space, this.#source, this.#at) ?? '';
    const last = this.#at + run.length - 1;
    return this.#push('space', this.#delimiter(last) === 4 ? run.length - 1 : run.length);
  }

  #sign(sign: '=' | '|' | '(' | ')'): boolean {
    if (sign === '(') this.#parens += 1;
    if (sign === ')') this.#parens -= 1;
    return this.#parens < 0 ? this.#fail('unexpected right paren') : this.#push(sign, 1);
  }

  #literal(kind: TokenKind, pattern: RegExp, otherwise: string): boolean {
    const text = matchAt(pattern, this.#source, this.#at);
    return text === undefined ? this.#fail(otherwise) : this.#push(kind, text.length);
  }

  /** A word behind `prefix` characters. `.` and `$` alone are tokens too. */
  #name(kind: 'variable' | 'field' | 'identifier', prefix: number): boolean {
    const name = matchAt(word, this.#source, this.#at + prefix) ?? '';
    const end = this.#at + prefix + name.length;
    if (!this.#isTerminated(end)) {
      const next = String.fromCodePoint(this.#source.codePointAt(end) ?? 0);
      return this.#fail(`bad character ${codePoint(next)}`);
    }
    const length = end - this.#at;
    if (name === '' && kind === 'field') return this.#push('dot', length);
    if (kind !== 'identifier') return this.#push(kind, length);
    if (keywordSet.has(name)) return this.#push(name as Keyword, length);
    return this.#push(name === 'true' || name === 'false' ? 'bool' : 'identifier', length);
  }

  #isTerminated(at: number): boolean {
    const next = this.#source[at];
    return next === undefined || ' \t\r\n.,|:)('.includes(next) || this.#delimiter(at) !== 0;
  }

  #number(): boolean {
    const first = matchAt(number, this.#source, this.#at) ?? '';
    let end = this.#at + first.length;
    const bad = (): false => {
      const [next = ''] = matchAt(word, this.#source, end) ?? '';
      return this.#fail(`bad number syntax: ${quote(this.#source.slice(this.#at, end) + next)}`);
    };
    if (matchAt(word, this.#source, end) !== '') return bad();
    if (!'+-'.includes(this.#source[end] ?? ' ')) return this.#push('number', first.length);
    const second = matchAt(number, this.#source, end) ?? '';
    end += second.length;
    if (matchAt(word, this.#source, end) !== '' || !second.endsWith('i')) return bad();
    return this.#push('complex', end - this.#at);
  }

  #push(kind: TokenKind, length: number): true {
    const text = this.#source.slice(this.#at, this.#at + length);
    this.tokens.push({ kind, text, at: this.#at, line: this.#line });
    this.#skip(length);
    return true;
  }

  #skip(length: number): void {
    for (let i = this.#at; i < this.#at + length; i += 1)
      if (this.#source[i] === '\n') this.#line += 1;
    this.#at += length;
  }

  #fail(message: string): false {
    this.tokens.push({ kind: 'error', text: message, at: this.#at, line: this.#line });
    return false;
  }
}

/** As Go's `%#U` prints a character. */
export function codePoint(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return /\p{C}|(?! )\p{Z}/u.test(character) ? `U+${code}` : `U+${code} '${character}'`;
}

/** The last token is the end of the file or an error. */
export const tokensOf = (source: string): readonly Token[] => new Lexer(source).run();
