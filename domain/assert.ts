/** Thrown when natswarm's own rules are broken: a bug, never an operating error. Supervisors restart the actor. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Checks a rule that can only be broken by a bug; kept on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (condition === false || condition === undefined || condition === null || condition === 0)
    throw new InvariantError(message);
}
