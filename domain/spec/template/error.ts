/** What is wrong with a template, and where. `node` is missing for errors of the parser. */
export class TemplateError extends Error {
  readonly where: ErrorPlace | undefined;
  constructor(message: string, where?: ErrorPlace) {
    super(message);
    this.where = where;
  }
}

/** Either the line that the parser had reached, or the node that could not be evaluated. */
export type ErrorPlace =
  | { readonly line: number }
  | { readonly at: number; readonly text: string; readonly template: string };

/** Why a function failed; the evaluation adds the place. */
export class CallError extends TemplateError {}

/** What Go would do and natswarm does not, by name. */
export const unsupported = (what: string): string =>
  `${what} not supported by natswarm's templates`;
