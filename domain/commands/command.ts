import type { CaTools } from '../ca/ports.ts';
import type { NodeRole } from '../model/spec.ts';
import type { Change } from '../store/changes.ts';
import type { Context, View } from '../store/view.ts';

/** What decisions of commands may draw from besides the state. */
export interface CommandContext extends Context {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** A new join token of the cluster with this root (`SWMTKN-1-…`). */
  readonly newJoinToken: (role: NodeRole, rootPem: string) => string;
  /** A new key to lock managers with (`SWMKEY-1-…`). */
  readonly newUnlockKey: () => string;
  /** Absent: what needs them is refused. */
  readonly ca?: CaTools;
}

export interface Decision {
  /** All of them happen in one transaction, or none. */
  readonly changes: readonly Change[];
  /** Answer to the caller once the changes are durable. */
  readonly result: unknown;
}

/**
 * One command of the cluster. `decide` is pure and may run again on a newer view. The body is as it came, from the
 * API or from any client of the bus: it throws a `Fault` with Docker's text for everything that is wrong with it.
 */
export interface Command {
  decide(view: View, ctx: CommandContext, body: unknown): Decision;
}
