import process from 'node:process';
import type { VirtualClock } from '../../../supervisors/virtual-clock.ts';

/** Node looks for rejected promises that nobody handles, and for garbage, only between turns of its event loop. */
const stepsPerTurn = 200;

/**
 * Runs virtual time forward. After each timer everything that promises have made ready runs to its end: nothing in the
 * simulation waits for the real world, so it is enough to come after all microtasks, and it is always the same.
 */
export async function runUntil(
  clock: VirtualClock,
  until: number,
  stop: () => boolean = () => false,
): Promise<void> {
  await turn();
  for (let steps = 1; !stop() && clock.step(until); steps++)
    await (steps % stepsPerTurn === 0 ? turn() : settle());
  if (!stop() && clock.now() < until) clock.advance(until - clock.now());
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** Node runs what is due in the next tick when no microtask is left. */
const settle = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
