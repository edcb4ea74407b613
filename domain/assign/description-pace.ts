import { limits } from '../limits.ts';
import type { NodeDescription } from '../model/objects.ts';

interface Purse {
  bytes: number;
  at: number;
  /** The newest description that had to wait. */
  waiting?: NodeDescription;
}

/**
 * How much of nodes' descriptions goes into the log: each change is written on the disks of all managers, so a node has a
 * purse of bytes for it, which fills again slowly. A change that it cannot pay waits, and a later one takes its place. Time
 * is the caller's, ms, and must not go back.
 */
export class DescriptionPace {
  readonly #purses = new Map<string, Purse>();

  /**
   * The description that is to be committed now: `said`, or the one `known` where the change has to wait.
   * @returns `held`: it has to wait, and nothing of the node's waited before
   */
  take(
    nodeId: string,
    said: NodeDescription,
    known: NodeDescription | undefined,
    now: number,
  ): { readonly description: NodeDescription; readonly held: boolean } {
    const text = JSON.stringify(said);
    if (known === undefined || JSON.stringify(known) === text) {
      delete this.#purses.get(nodeId)?.waiting;
      return { description: said, held: false };
    }
    const purse = this.#purse(nodeId, now);
    const cost = Math.max(limits.descriptionChangeBytesMin, text.length);
    if (purse.bytes >= cost) {
      purse.bytes -= cost;
      delete purse.waiting;
      return { description: said, held: false };
    }
    const held = purse.waiting === undefined;
    purse.waiting = said;
    return { description: known, held };
  }

  /** What waits and can be paid by now. */
  due(nodeId: string, now: number): NodeDescription | undefined {
    const waiting = this.#purses.get(nodeId)?.waiting;
    if (waiting === undefined) return undefined;
    const cost = Math.max(limits.descriptionChangeBytesMin, JSON.stringify(waiting).length);
    return this.#purse(nodeId, now).bytes >= cost ? waiting : undefined;
  }

  forget(nodeId: string): void {
    this.#purses.delete(nodeId);
  }

  #purse(nodeId: string, now: number): Purse {
    const full = limits.descriptionChangeBytesBurst;
    let purse = this.#purses.get(nodeId);
    if (purse === undefined) this.#purses.set(nodeId, (purse = { bytes: full, at: now }));
    const earned = ((now - purse.at) / 1_000) * limits.descriptionChangeBytesPerS;
    purse.bytes = Math.min(full, purse.bytes + earned);
    purse.at = now;
    return purse;
  }
}
