import type { VirtualClock } from '../../supervisors/virtual-clock.ts';

/** Lets virtual time pass until the promise is settled. */
export async function settleOn<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let open = true;
  const done = (): void => {
    open = false;
  };
  promise.then(done, done);
  while (open) {
    await new Promise((resolve) => setImmediate(resolve));
    if (open) clock.step();
  }
  return promise;
}

/** A pause of virtual time. */
export function pauseOn(clock: VirtualClock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimeout(resolve, ms);
  });
}
