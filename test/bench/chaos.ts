import process from 'node:process';
import { chaos } from '../soak/chaos.ts';

/**
 * Ten minutes of kills, power-offs, partitions and SIGSTOPs, one after the other, under a stream of
 * commands and operations on the cluster: what
 * `test/soak/chaos.ts` says. One run; the seed is drawn, or that of the variable CHAOS_SEED.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const { CHAOS_SEED: given, CHAOS_SECONDS: seconds = '600' } = process.env;
  const seed = given === undefined ? Date.now() % 2 ** 31 : Number(given);
  return { ...(await chaos({ seed, seconds: Number(seconds) }, progress)) };
}
