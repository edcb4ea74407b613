// Node's environment for tests, in which every test and hook has the same time limit, whatever it says itself.

import { TestEnvironment } from 'jest-environment-node';

/**
 * It ends what hangs; no test comes near it, however busy the machine is. What a test waits for has a limit of its own
 * (patience.ts), ends before this one, and tells what it waited for.
 */
const limitMs = 900_000;

interface Timed {
  timeout?: number | null | undefined;
}

export default class PatientEnvironment extends TestEnvironment {
  /** Called before the limit is read. */
  handleTestEvent(event: { readonly name: string; readonly hook?: Timed; readonly test?: Timed }) {
    if (event.name === 'hook_start' && event.hook !== undefined) event.hook.timeout = limitMs;
    if (event.name === 'test_fn_start' && event.test !== undefined) event.test.timeout = limitMs;
  }
}
