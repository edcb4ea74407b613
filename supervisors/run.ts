import { fromPromise } from 'xstate';
import type { ActorSpec } from './child.ts';

/**
 * A child that is one asynchronous function (a server, a child process). It runs until its scope aborts and then ends
 * in its own time; ending before that is an exit, rejecting is a failure.
 */
export const runs = (
  run: (scope: AbortSignal) => Promise<void>,
): Pick<ActorSpec, 'logic' | 'input'> => ({
  logic: fromPromise<void, Promise<void>>(({ input }) => input),
  input: (scope, closing) => {
    const ended = run(scope);
    closing(ended);
    return ended;
  },
});
