/** Swarm's session backoff (swarm-compat §4.6). */
const minMs = 100;
const maxMs = 8_000;

/** Pause before a try, ms: none before the first, then doubling, spread over the upper half. `random` is in 0…1. */
export const backoffMs = (failures: number, random: number): number =>
  failures === 0 ? 0 : Math.min(maxMs, minMs * 2 ** (failures - 1)) * (0.5 + 0.5 * random);
