import type { Change } from '../store/changes.ts';

/** What a look at the state came to. Doing nothing is a result too, and `reasons` explains it. */
export interface Plan {
  /** In an order in which any prefix is safe: after a crash the next plan goes on from there. */
  readonly changes: readonly Change[];
  /** Wall clock, ms: the plan must be made again then although nothing changed. */
  readonly wakeAt?: number;
  /** What the plan waits for, with the number of slots or tasks concerned. */
  readonly reasons?: readonly string[];
}
