import { fromCallback, setup } from 'xstate';
import type { Closing } from '../../../supervisors/child.ts';
import type { VirtualClock } from '../../../supervisors/virtual-clock.ts';

/** A child that fails, ends and takes time to close at will; `trace` shows `time:+id` and `time:-id`. */
export class Actors {
  readonly trace: string[] = [];
  readonly #clock: VirtualClock;
  /** Children whose next incarnations fail while they start, and how many. */
  readonly failing = new Map<string, number>();
  /** Children that take this long to close, ms. */
  readonly slow = new Map<string, number>();

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  part(id: string) {
    const note = (sign: string): unknown => this.trace.push(`${this.#clock.now()}:${sign}${id}`);
    const watch = fromCallback<{ type: 'noop' }, { scope: AbortSignal }>(({ input }) => {
      const left = this.failing.get(id) ?? 0;
      if (left > 0) {
        this.failing.set(id, left - 1);
        throw new Error(`${id} cannot start`);
      }
      note('+');
      input.scope.addEventListener('abort', () => note('-'), { once: true });
    });
    const logic = setup({
      types: {
        events: {} as { type: 'boom' } | { type: 'bye' },
        input: {} as { scope: AbortSignal },
        context: {} as { scope: AbortSignal },
      },
      actors: { watch },
      actions: {
        boom: () => {
          throw new Error(`boom ${id}`);
        },
      },
    }).createMachine({
      initial: 'up',
      context: ({ input }) => input,
      states: {
        up: {
          invoke: { src: 'watch', input: ({ context }) => context },
          on: { boom: { actions: 'boom' }, bye: 'gone' },
        },
        gone: { type: 'final' },
      },
    });
    const input = (scope: AbortSignal, closing: Closing): { scope: AbortSignal } => {
      const ms = this.slow.get(id);
      if (ms !== undefined) closing(this.#closed(scope, ms, () => note('x')));
      return { scope };
    };
    return { logic, input };
  }

  #closed(scope: AbortSignal, ms: number, note: () => void): Promise<void> {
    return new Promise((resolve) => {
      const close = (): void => {
        note();
        resolve();
      };
      scope.addEventListener('abort', () => void this.#clock.setTimeout(close, ms), { once: true });
    });
  }

  /** What happened since the last call. */
  take(): string[] {
    return this.trace.splice(0);
  }
}
