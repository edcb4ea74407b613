/** What natswarm takes from labels of the cluster: settings for which Docker's spec has no field. */
import { limits } from '../limits.ts';
import type { Labels } from '../model/spec.ts';
import { invalid } from './faults.ts';

const settings = {
  /** Nodes that the cluster may have. */
  'natswarm.nodes.max': { least: 1, most: 1_000_000 },
  /** New nodes that one manager lets in, a second. */
  'natswarm.joins.rate': { least: 1, most: 100_000 },
} as const;
type Setting = keyof typeof settings;

export function checkClusterLabels(labels: Labels): void {
  for (const name of Object.keys(settings) as Setting[]) {
    if (!Object.hasOwn(labels, name) || numberOf(labels, name) !== undefined) continue;
    const { least, most } = settings[name];
    throw invalid(`label ${name} must be a whole number from ${least} to ${most}`);
  }
}

/** Undefined where there is no bound. */
export const nodesMax = (labels: Labels): number | undefined =>
  numberOf(labels, 'natswarm.nodes.max');

export const joinsPerS = (labels: Labels): number =>
  numberOf(labels, 'natswarm.joins.rate') ?? limits.joinsPerS;

/** A state of before may have anything there, which is as nothing. */
function numberOf(labels: Labels, name: Setting): number | undefined {
  const text = Object.hasOwn(labels, name) ? labels[name] : undefined;
  if (text === undefined || !/^\d{1,7}$/.test(text)) return undefined;
  const value = Number(text);
  const { least, most } = settings[name];
  return value >= least && value <= most ? value : undefined;
}
