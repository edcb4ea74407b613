import { nodes } from './nodes.ts';
import type { ObjectReconciler } from './reconciler.ts';
import { services } from './services.ts';

/** The leader's controllers of objects. Those that it has one of are made in `leader.ts`, for they have ports of their own. */
export const objectReconcilers: readonly ObjectReconciler[] = [services, nodes];
