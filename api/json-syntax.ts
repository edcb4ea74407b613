/**
 * Finds where the first JSON value of a text ends, and says in the words of Go's encoding/json what is wrong with it
 * (checked against dockerd 28.5.2). Used only for texts that `JSON.parse` refuses.
 */
import { HttpError } from './errors.ts';

const space = /[ \t\r\n]*/y;
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const numberBegun = /-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]*)?)?/y;
const plainText = /(?:(?!["\\])[ -\uffff])*/y;
const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const escapeBegun = /\\(?:u[0-9a-fA-F]{0,3})?$/y;
const literals: Readonly<Record<string, string>> = { t: 'true', f: 'false', n: 'null' };
const depthMax = 10_000;

/** Index behind the first value. Throws Docker's 400. */
export function endOfFirstValue(text: string): number {
  return new Scanner(text).run();
}

type Expecting = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'next';

class Scanner {
  readonly #text: string;
  readonly #open: ('{' | '[')[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): number {
    let expecting: Expecting = 'value';
    do {
      this.#match(space);
      expecting = this.#step(expecting);
    } while (this.#open.length > 0 || expecting !== 'next');
    return this.#at;
  }

  #step(expecting: Expecting): Expecting {
    const c = this.#text[this.#at];
    if (c === undefined) throw problem('unexpected EOF');
    if (expecting === 'next') return this.#next(c);
    if ((expecting === 'value-or-end' && c === ']') || (expecting === 'key-or-end' && c === '}'))
      return this.#close();
    return expecting === 'key' || expecting === 'key-or-end' ? this.#key(c) : this.#value(c);
  }

  #value(c: string): Expecting {
    if (c === '{' || c === '[') {
      if (this.#open.push(c) > depthMax) throw problem('exceeded max depth');
      this.#at += 1;
      return c === '{' ? 'key-or-end' : 'value-or-end';
    }
    const literal = literals[c];
    if (c === '"') this.#string();
    else if (literal !== undefined) this.#literal(literal);
    else if (c === '-' || (c >= '0' && c <= '9')) this.#number();
    else throw this.#unexpected('looking for beginning of value');
    return 'next';
  }

  #key(c: string): Expecting {
    if (c !== '"') throw this.#unexpected('looking for beginning of object key string');
    this.#string();
    this.#match(space);
    if (this.#text[this.#at] !== ':') throw this.#unexpected('after object key');
    this.#at += 1;
    return 'value';
  }

  #next(c: string): Expecting {
    const inObject = this.#open.at(-1) === '{';
    if (c === (inObject ? '}' : ']')) return this.#close();
    if (c !== ',')
      throw this.#unexpected(inObject ? 'after object key:value pair' : 'after array element');
    this.#at += 1;
    return inObject ? 'key' : 'value';
  }

  #close(): Expecting {
    this.#at += 1;
    this.#open.pop();
    return 'next';
  }

  #string(): void {
    this.#at += 1;
    for (;;) {
      this.#match(plainText);
      const c = this.#text[this.#at];
      if (c === '"') break;
      if (c === '\\') this.#escape();
      else throw this.#unexpected('in string');
    }
    this.#at += 1;
  }

  #escape(): void {
    if (this.#match(escape)) return;
    if (this.#match(escapeBegun)) throw problem('unexpected EOF');
    const length = this.#text[this.#at + 1] === 'u' ? 6 : 2;
    const sequence = this.#text.slice(this.#at, this.#at + length);
    throw problem(`invalid escape sequence \`${sequence}\` in string`);
  }

  #literal(word: string): void {
    for (const expected of word) {
      if (this.#text[this.#at] !== expected)
        throw this.#unexpected(`in literal ${word} (expecting '${expected}')`);
      this.#at += 1;
    }
  }

  #number(): void {
    const start = this.#at;
    this.#match(numberBegun);
    const begun = this.#at;
    this.#at = start;
    this.#match(number);
    if (this.#at === begun) return;
    this.#at = begun;
    throw this.#unexpected('in numeric literal');
  }

  #match(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    this.#at = pattern.lastIndex;
    return true;
  }

  #unexpected(where: string): HttpError {
    const c = this.#text[this.#at];
    if (c === undefined) return problem('unexpected EOF');
    return problem(`invalid character ${quoteCharacter(c)} ${where}`);
  }
}

const problem = (text: string): HttpError => new HttpError(400, `invalid JSON: ${text}`);

function quoteCharacter(c: string): string {
  if (c === "'") return "'\\''";
  return c === '"' ? `'"'` : `'${JSON.stringify(c).slice(1, -1)}'`;
}
