import { Packr } from 'msgpackr';
import type { Kind, ObjectOf } from '../../domain/model/objects.ts';

/** A manager's state at one sequence, as its journal keeps it. */
export interface CheckpointState {
  readonly epoch: number;
  readonly at: number;
  readonly leader: string;
  readonly objects: { readonly [K in Kind]: readonly ObjectOf[K][] };
}
const packr = new Packr({ useRecords: false, moreTypes: false });

export const encodeCheckpoint = (state: CheckpointState): Uint8Array => packr.pack(state);
export const decodeCheckpoint = (data: Uint8Array): CheckpointState =>
  packr.unpack(data) as CheckpointState;
