import { clusterKind } from './cluster.ts';
import type { KindRow } from './kind.ts';
import { nodeKind } from './node.ts';
import { serviceKind } from './service.ts';
import { taskKind } from './task.ts';

/** The kinds of stored objects, one row each. Store, log records, checkpoints and backups take them from here. */
export const table = {
  cluster: clusterKind,
  node: nodeKind,
  service: serviceKind,
  task: taskKind,
};
type Table = typeof table;

export type Kind = keyof Table;
export const kinds = Object.keys(table) as readonly Kind[];
export type ObjectOf = {
  [K in Kind]: Table[K] extends KindRow<infer T, infer _Index> ? T : never;
};
/** Names of the indexes of a kind. */
export type IndexOf<K extends Kind> = keyof Table[K]['indexes'] & string;

/** Whole objects by kind, as a checkpoint has them. */
export type Objects = { readonly [K in Kind]: readonly ObjectOf[K][] };

export const isKind = (name: unknown): name is Kind =>
  typeof name === 'string' && Object.hasOwn(table, name);

/** Something of each kind: `of` is asked for every one. */
export const ofKinds = <All extends { readonly [K in Kind]: unknown }>(
  of: (kind: Kind) => unknown,
): All => Object.fromEntries(kinds.map((kind) => [kind, of(kind)])) as All;
