import type { Checkpoint } from '../../../bus/ports.ts';
import type { RoutePeer } from '../../../domain/members/form.ts';
import type { LogForm } from '../../../domain/model/objects.ts';
import type { LogOffer } from './log-offer.ts';

/** A manager's place in the log, as its disk tells of it. */
export interface LogPlace {
  readonly nodeId: string;
  /** Generation of the log that this manager's store belongs to (docs/state-log.md); 0 while none is known. */
  readonly generation: number;
  /** Absent: `alone`. */
  readonly form?: LogForm['form'];
  /** The generation begins here, behind this sequence: its log is yet to be made. */
  readonly founding?: { readonly after: number };
  /** This manager has no state yet: it gets it from another one. */
  readonly joining?: true;
}

/** Whether a manager that goes from one place to the other begins anew: all of its parts start again. */
export const isElsewhere = (from: LogPlace, to: LogPlace): boolean =>
  to.generation !== from.generation ||
  to.form !== from.form ||
  (to.joining === true && from.joining === undefined);

/** What a manager's disk holds of the log. What is written is durable when the method returns, or its promise resolves. */
export interface LogPlaceDisk {
  /** As it is now; another object after each change. */
  place(): LogPlace;
  /** A place elsewhere (`isElsewhere`) ends this manager: it goes on as another one. */
  save(place: LogPlace): void;
  /** The managers whose servers may be in the log's group, this one among them. */
  notePeers(peers: readonly RoutePeer[]): void;
  /** The keys and the managers that the offer tells of. The place itself is saved afterwards. */
  takeOffer(offer: LogOffer): void;
  /** A generation begins here with this state; what there is of it, journal and copy, was cut off, and goes. */
  beginGeneration(generation: number, checkpoint: Checkpoint): Promise<void>;
  /** The journal of a generation begins with this state; the copy of its log stays. */
  beginJournal(generation: number, checkpoint: Checkpoint): Promise<void>;
  /** What the journal of a generation begins with; undefined where there is none. */
  checkpointOf(generation: number): Promise<Checkpoint | undefined>;
  /** Removes what there is of other generations. */
  keepOnly(generation: number): void;
}
