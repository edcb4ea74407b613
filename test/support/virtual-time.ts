import type { VirtualClock } from '../../supervisors/virtual-clock.ts';

/** Lets virtual time pass until the promise is settled. */
export async function settleOn<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let open = true;
  const settled = promise.finally(() => {
    open = false;
  });
  // Its error is for whoever awaits what this returns.
  settled.catch(() => {});
  while (open) {
    await new Promise((resolve) => setImmediate(resolve));
    if (open) clock.step();
  }
  return settled;
}

/** A pause of virtual time. */
export function pauseOn(clock: VirtualClock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimeout(resolve, ms);
  });
}
