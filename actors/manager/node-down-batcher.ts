import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../supervisors/clock.ts';

/** Least time between two declarations, ms: a single loss does not wait, many follow together. */
const gatherMs = 100;

/**
 * Nodes that fall silent, declared down together: each declaration looks at all nodes (`domain/assign/outages.ts`), so
 * one a node would cost the square of their number when many are lost.
 */
export class NodeDownBatcher {
  readonly #clock: Clock;
  readonly #commit: (nodeIds: readonly string[]) => Promise<void>;
  #waiting: { readonly nodeId: string; readonly scope: AbortSignal }[] = [];
  #next: Promise<void> | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;

  /** @param commit declares these nodes down */
  constructor(clock: Clock, commit: (nodeIds: readonly string[]) => Promise<void>) {
    this.#clock = clock;
    this.#commit = commit;
  }

  /**
   * Resolves when the node is down in the store; rejects as `commit` does.
   * @param scope ends when the node was heard again: what has not been proposed by then must not come after its hello
   */
  declare(nodeId: string, scope: AbortSignal): Promise<void> {
    this.#waiting.push({ nodeId, scope });
    this.#next ??= this.#declareNext();
    return this.#next;
  }

  async #declareNext(): Promise<void> {
    const waitMs = Math.max(0, this.#lastAt + gatherMs - this.#clock.now());
    await new Promise<void>((resolve) => this.#clock.setTimeout(resolve, waitMs));
    const nodeIds = this.#waiting.filter(({ scope }) => !scope.aborted).map(({ nodeId }) => nodeId);
    this.#waiting = [];
    this.#next = undefined;
    this.#lastAt = this.#clock.now();
    const commits: Promise<void>[] = [];
    for (let from = 0; from < nodeIds.length; from += limits.planChangesMax)
      commits.push(this.#commit(nodeIds.slice(from, from + limits.planChangesMax)));
    await Promise.all(commits);
  }
}
