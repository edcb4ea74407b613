import { Fault } from '../errors.ts';
import { limits } from '../limits.ts';

/** Reads the fields of a command's body. Absent and null fields are '' and false; wrong ones are `InvalidArgument`. */
export class Body {
  readonly #command: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(command: string, body: unknown) {
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw new Fault('InvalidArgument', `${command}: the body must be an object`);
    this.#command = command;
    this.#fields = body as Readonly<Record<string, unknown>>;
  }

  /** A value that the command decodes itself. */
  raw(field: string): unknown {
    return Object.hasOwn(this.#fields, field) ? this.#fields[field] : undefined;
  }

  text(field: string): string {
    const value = this.raw(field) ?? '';
    if (typeof value !== 'string') throw this.#wrong(field, 'a string');
    if (value.length > limits.commandTextLengthMax)
      throw this.#wrong(field, `a string of at most ${limits.commandTextLengthMax} characters`);
    return value;
  }

  id(): string {
    const id = this.text('id');
    if (id === '') throw this.#wrong('id', 'an ID');
    return id;
  }

  /** The version of the object that the caller has seen. */
  version(): number {
    const value = this.raw('version');
    if (!Number.isSafeInteger(value) || (value as number) < 0)
      throw this.#wrong('version', 'a whole number');
    return value as number;
  }

  flag(field: string): boolean {
    const value = this.raw(field) ?? false;
    if (typeof value !== 'boolean') throw this.#wrong(field, 'true or false');
    return value;
  }

  #wrong(field: string, wanted: string): Fault {
    return new Fault('InvalidArgument', `${this.#command}: "${field}" must be ${wanted}`);
  }
}
