// How long tests wait. A limit in a test says what a thing takes on a machine that has nothing else to do; it is there to
// end a test that hangs, not to judge how fast this machine is just now. So all limits are stretched here, by one rule.

/** Suites run side by side, and other programs may have a core for themselves. */
const factor = 5;
const leastMs = 60_000;

/** How long to wait for what takes `usualMs` at most on a quiet machine. */
export const patient = (usualMs: number): number => Math.max(leastMs, factor * usualMs);

/** The bound for a measured time that has to be short: a promise of the product, as far as a busy machine can show it. */
export const soon = (usualMs: number): number => factor * usualMs;
