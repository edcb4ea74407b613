import type { VirtualClock } from '../../../supervisors/virtual-clock.ts';

/**
 * Runs virtual time forward. After each timer everything that promises have made ready runs to its end (nothing in the
 * simulation waits for the real world, so one turn of the event loop is enough, and always the same).
 */
export async function runUntil(
  clock: VirtualClock,
  until: number,
  stop: () => boolean = () => false,
): Promise<void> {
  await settle();
  while (!stop() && clock.step(until)) await settle();
  if (!stop() && clock.now() < until) clock.advance(until - clock.now());
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
