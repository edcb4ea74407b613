import type { Kind, ObjectOf } from '../kinds/table.ts';
import type { OwnPart } from '../model/template.ts';

/** An object as decisions write it: the store adds `meta` when the transaction is applied. */
export type Draft<K extends Kind = Kind> = Omit<ObjectOf[K], 'meta'>;

/** A task of its service as the service is now, whose spec is not repeated. */
export interface CreateTask {
  readonly op: 'create';
  readonly kind: 'task';
  readonly object: OwnPart<Draft<'task'>>;
}

/** What one transaction does, in order. `patch` replaces top-level fields only; `undefined` removes a field. */
export type Change =
  | {
      readonly [K in Kind]: { readonly op: 'put'; readonly kind: K; readonly object: Draft<K> };
    }[Kind]
  | {
      readonly [K in Kind]: {
        readonly op: 'patch';
        readonly kind: K;
        readonly id: string;
        readonly fields: {
          readonly [F in keyof Omit<ObjectOf[K], 'id' | 'meta'>]?: ObjectOf[K][F] | undefined;
        };
      };
    }[Kind]
  | CreateTask
  | { readonly op: 'delete'; readonly kind: Kind; readonly id: string };

/** One log message: all of its changes happen or none. */
export interface Transaction {
  /** Sequence in the log; every object written gets it as its version. */
  readonly index: number;
  /** Leader's wall clock, ms; never goes back from one transaction to the next. */
  readonly at: number;
  readonly changes: readonly Change[];
}

/** What an applied change did to one object; both set: an update. */
export type Applied = {
  readonly [K in Kind]: {
    readonly kind: K;
    readonly id: string;
    readonly before: ObjectOf[K] | undefined;
    readonly after: ObjectOf[K] | undefined;
  };
}[Kind];

type NodeFields = Extract<Change, { op: 'patch'; kind: 'node' }>['fields'];

export const patchNode = (id: string, fields: NodeFields) =>
  ({ op: 'patch', kind: 'node', id, fields }) satisfies Change;
