import * as v from 'valibot';
import { limits } from '../domain/limits.ts';
import { count, line, list, readAs } from './wire.ts';

/** One actor of a node, as `natswarm tree` shows it. */
export interface TreeRow {
  readonly address: string;
  /** The address above; '' stands for the daemon's own supervisor. */
  readonly supervisor: string;
  readonly state: string;
  /** What the actor's object is in, in the object's own words. */
  readonly phase?: string;
  /** How long this incarnation runs, or how long ago the last one failed, ms. */
  readonly forMs: number;
  readonly restarts: number;
  /** '' for none. */
  readonly lastError: string;
  /** What waits in the actor's own queue; absent where it has none. */
  readonly mailbox?: number;
}

/** The actors of a node; `left`: how many more there are than rows. */
export interface TreeAnswer {
  readonly rows: readonly TreeRow[];
  readonly left: number;
}

const text = line(limits.treeTextLengthMax);
const row = v.object({
  address: text,
  supervisor: text,
  state: text,
  phase: v.exactOptional(text),
  forMs: count,
  restarts: count,
  lastError: text,
  mailbox: v.exactOptional(count),
});
const answer = v.object({ rows: list(row, limits.treeRowsMax), left: count });
const ask = v.object({ rows: v.pipe(count, v.maxValue(limits.treeRowsMax)) });

/** What a node's agent answers, which may send anything. Undefined for a body of another form. */
export const treeAnswerFrom = (body: unknown): TreeAnswer | undefined => readAs(answer, body);

/** How many rows a manager asks for; undefined for a body of another form. */
export const treeAskFrom = (body: unknown): number | undefined => readAs(ask, body)?.rows;
