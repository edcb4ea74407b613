import { limits } from '../limits.ts';
import type { NodeDescription } from '../model/objects.ts';
import { refilled } from './bucket.ts';

const bucket = {
  burst: limits.descriptionChangeBytesBurst,
  perS: limits.descriptionChangeBytesPerS,
};

interface Purse {
  bytes: number;
  at: number;
  /** The newest description that had to wait. */
  waiting?: NodeDescription;
}

interface Taken {
  readonly description: NodeDescription;
  /** It has to wait, and nothing of the node's waited before. */
  readonly held: boolean;
}

const isSame = (a: NodeDescription, b: NodeDescription): boolean =>
  JSON.stringify(a) === JSON.stringify(b);
const lengthOf = (description: NodeDescription): number => JSON.stringify(description).length;
const costOf = (bytes: number): number => Math.max(limits.descriptionChangeBytesMin, bytes);

/**
 * How much of what nodes say of themselves goes into the log: each change is written on the disks of all managers, so a node
 * has a purse of bytes for it, which fills again slowly. A change that it cannot pay waits, and a later one takes its place.
 * Time is the caller's, ms, and must not go back.
 */
export class DescriptionPace {
  readonly #purses = new Map<string, Purse>();

  /**
   * The description that is to be committed now: `said`, or the one `known` where the change has to wait.
   */
  take(
    nodeId: string,
    said: NodeDescription,
    known: NodeDescription | undefined,
    now: number,
  ): Taken {
    const isChange = known !== undefined && !isSame(said, known);
    if (isChange && !this.pay(nodeId, lengthOf(said), now))
      return this.hold(nodeId, said, known, now);
    return this.#taken(nodeId, said);
  }

  /** As `take` of one that cannot be paid. */
  hold(
    nodeId: string,
    said: NodeDescription,
    known: NodeDescription | undefined,
    now: number,
  ): Taken {
    if (known === undefined || isSame(said, known)) return this.#taken(nodeId, said);
    const purse = this.#purse(nodeId, now);
    const held = purse.waiting === undefined;
    purse.waiting = said;
    return { description: known, held };
  }

  #taken(nodeId: string, description: NodeDescription): Taken {
    delete this.#purses.get(nodeId)?.waiting;
    return { description, held: false };
  }

  /** Pays for another change of so many bytes; false where the purse does not have them. */
  pay(nodeId: string, bytes: number, now: number): boolean {
    const purse = this.#purse(nodeId, now);
    const cost = costOf(bytes);
    if (purse.bytes < cost) return false;
    purse.bytes -= cost;
    return true;
  }

  /** What waits and can be paid by now. */
  due(nodeId: string, now: number): NodeDescription | undefined {
    const waiting = this.#purses.get(nodeId)?.waiting;
    if (waiting === undefined) return undefined;
    return this.#purse(nodeId, now).bytes >= costOf(lengthOf(waiting)) ? waiting : undefined;
  }

  forget(nodeId: string): void {
    this.#purses.delete(nodeId);
  }

  #purse(nodeId: string, now: number): Purse {
    let purse = this.#purses.get(nodeId);
    if (purse === undefined) this.#purses.set(nodeId, (purse = { bytes: bucket.burst, at: now }));
    purse.bytes = refilled(purse.bytes, bucket, now - purse.at);
    purse.at = now;
    return purse;
  }
}
