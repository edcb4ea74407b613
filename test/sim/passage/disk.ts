import type { Seat } from '../../../actors/manager/passage.ts';
import type { DiskMark, Start } from '../../../domain/members/starts.ts';
import type { JournalDisk } from '../world/journal.ts';

/** The store of a server; `end`: how much of the log it has; `start`: as in the file within it. */
export interface SimStore {
  readonly incarnation: number;
  end: number;
  start?: number;
}
export interface Starts {
  readonly starts: readonly Start[];
  readonly count: number;
}
/** A whole disk as it was. */
export interface Snapshot {
  readonly seat: Seat | undefined;
  readonly stores: ReadonlyMap<number, SimStore>;
  readonly journals: ReadonlyMap<number, JournalDisk>;
  readonly starts: Starts;
  readonly seen: ReadonlyMap<string, DiskMark>;
}
