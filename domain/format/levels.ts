import type { Cluster } from '../model/objects.ts';
import { Incompatible } from './format.ts';

/**
 * The feature levels of a cluster and what each adds. A cluster is at a level from when all of its managers can it, and no
 * decision may use what a higher one adds. A version that adds something which others do not understand adds a level.
 */
export const featureLevels: readonly { readonly level: number; readonly adds: string }[] = [
  { level: 1, adds: 'managers and nodes tell which levels they can' },
];
export const newestLevel = Math.max(...featureLevels.map(({ level }) => level));

/** A cluster, a manager or a node that tells of none is of a version that knew of none. */
export const levelBefore = 0;

export const levelOf = (
  holder: { readonly featureLevel?: number | undefined } | undefined,
): number => holder?.featureLevel ?? levelBefore;

/** @param own the highest level that this manager can. Throws `Incompatible` when the cluster is above it. */
export function requireLevel(
  cluster: Pick<Cluster, 'featureLevel'> | undefined,
  own: number,
): void {
  if (levelOf(cluster) > own) throw tooLow(levelOf(cluster), own);
}

export const tooLow = (cluster: number, own: number): Incompatible =>
  new Incompatible(levelText(cluster, own));

export const levelText = (cluster: number, own: number): string =>
  `the cluster is at feature level ${cluster}, and this natswarm can ${own} at most`;
