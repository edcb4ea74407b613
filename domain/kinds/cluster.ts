import type { Cluster } from '../model/objects.ts';
import { kindOf } from './kind.ts';

export const clusterKind = kindOf<Cluster>()({ hasVersionOfSpec: false, indexes: {} });
