import { planLevel } from '../../../domain/members/plan-level.ts';
import {
  type ClusterReconciler,
  commitPlan,
  commonPace,
  type ReconcilerPorts,
} from './reconciler.ts';

/** The cluster uses what all of its managers can. */
export const featureLevelOf = (ports: ReconcilerPorts): ClusterReconciler => ({
  name: 'feature-level',
  pace: commonPace,
  observe: (applied) =>
    applied.some(
      ({ kind, before, after }) => kind === 'node' && before?.manager !== after?.manager,
    ),
  plan: () => commitPlan(ports, { part: 'feature-level' }, planLevel),
});
