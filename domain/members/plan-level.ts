import { levelOf } from '../format/levels.ts';
import type { Plan } from '../orchestrate/plan.ts';
import type { View } from '../store/view.ts';
import { placedManagers } from './form.ts';

/**
 * Raises the cluster's feature level to the highest one that every manager has told to be able to; it is never lowered. Managers
 * that join or are to go count, for they read the log, too.
 */
export function planLevel(view: View): Plan {
  const cluster = view.cluster();
  const placed = placedManagers(view);
  if (cluster === undefined || placed.length === 0) return { changes: [] };
  const now = levelOf(cluster);
  const levels = placed.map(({ manager }) => levelOf(manager));
  const featureLevel = Math.min(...levels);
  if (featureLevel > now)
    return {
      changes: [{ op: 'patch', kind: 'cluster', id: cluster.id, fields: { featureLevel } }],
    };
  const behind = placed.filter(({ manager }) => levelOf(manager) <= now).map(({ id }) => id);
  return {
    changes: [],
    ...(Math.max(...levels) > now && {
      reasons: [`the feature level stays ${now}: upgrade the manager ${behind.join(', ')}`],
    }),
  };
}
