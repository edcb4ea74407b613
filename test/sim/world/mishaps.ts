import { subjects } from '../../../bus/subjects.ts';
import type { Random } from './random.ts';

export type Direction = 'request' | 'answer';
/** A message that is late comes when whoever waits for it has given up. */
export type Fate = 'lost' | 'late';

/** What becomes of the messages of operations on the cluster: each may be lost or late on its way, there and back. */
export class Mishaps {
  /** Share of these messages. */
  rate = 0;
  /** How often each kind was hit, by `operation direction fate`. */
  readonly hits = new Map<string, number>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  draw(operation: string | undefined, direction: Direction): Fate | undefined {
    if (operation === undefined || this.rate === 0 || !this.#random.chance(this.rate))
      return undefined;
    const fate = this.#random.pick(['lost', 'late'] as const);
    const key = `${operation} ${direction} ${fate}`;
    this.hits.set(key, (this.hits.get(key) ?? 0) + 1);
    return fate;
  }

  /** How long after a request with this limit what is late comes, ms. */
  lateMs(limitMs: number): number {
    return limitMs * this.#random.between(1.01, 1.5);
  }
}

const commandPattern = subjects.command('');
const forwardVerb = '.command';
/** Services' commands are the clients'; there are so many that `lossRate` is enough for them. */
const isOperation = (name: string): boolean => !name.startsWith('service.');

/** The operation that a request is of: a command on the cluster or a node, on its way to the leader. */
export function operationOf(subject: string, body: unknown): string | undefined {
  const name = subject.startsWith(commandPattern)
    ? subjects.commandName(subject)
    : subject.endsWith(forwardVerb)
      ? String((body as { readonly name?: unknown }).name)
      : undefined;
  return name !== undefined && isOperation(name) ? name : undefined;
}
