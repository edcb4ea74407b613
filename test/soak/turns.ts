import type { Random } from '../sim/world/random.ts';

/** What somebody does until a time, on the scale of `performance.now()`. Never rejects. */
export type Turns<K extends string> = Readonly<Record<K, (end: number) => Promise<void>>>;
/** What somebody has done, by kind. */
export type Deeds = Readonly<Record<string, number>>;

const turnMs = { min: 1_000, max: 5_000 } as const;

/** One turn after the other, each as likely as its weight says, for some seconds in all. */
export async function takeTurns<K extends string>(
  random: Random,
  weights: Readonly<Record<K, number>>,
  turns: Turns<K>,
  seconds: number,
): Promise<void> {
  const end = performance.now() + seconds * 1_000;
  while (performance.now() < end) {
    const turn = performance.now() + random.between(turnMs.min, turnMs.max);
    await turns[random.weighted(weights)](Math.min(end, turn));
  }
}
