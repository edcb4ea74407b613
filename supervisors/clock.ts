/** Time as everything in natswarm sees it: xstate's clock plus `now`. Implemented here and by `VirtualClock`. */
export interface Clock {
  /** Milliseconds on a monotonic scale without a fixed origin; for durations, never for dates. */
  now(): number;
  setTimeout(fn: () => void, ms: number): number;
  clearTimeout(id: number): void;
}

/** Above this, Node's timers fire at once. */
const timerMsMax = 2 ** 31 - 1;

/** The machine's own time and timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (fn, ms) => Number(setTimeout(fn, Math.min(ms, timerMsMax))),
  clearTimeout: (id) => clearTimeout(id),
};

/** Resolves after `ms`, or as soon as `scope` aborts: callers look at the scope again. */
export function pause(clock: Clock, ms: number, scope: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (scope.aborted) return resolve();
    const end = (): void => {
      clock.clearTimeout(timer);
      scope.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.setTimeout(end, ms);
    scope.addEventListener('abort', end, { once: true });
  });
}

/** Resolves with nothing when the scope ends. */
export function aborted(scope: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (scope.aborted) return resolve(undefined);
    scope.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

/**
 * Aborts after `ms`, as `AbortSignal.timeout` does, and is safe inside `AbortSignal.any`. Node 20 forgets a timeout that
 * only `AbortSignal.any` knows of at the next garbage collection; what waits for it then waits for ever
 * (nodejs/node#57736).
 */
export function timeoutSignal(ms: number): AbortSignal {
  const end = new AbortController();
  const expire = (): void =>
    end.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
  setTimeout(expire, Math.min(ms, timerMsMax)).unref();
  return end.signal;
}
