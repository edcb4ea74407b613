import { idFromBytes } from '../../../domain/ids.ts';

/** Seeded randomness (xoshiro128**, Blackman and Vigna, public domain). Streams of one seed are independent by name. */
export class Random {
  readonly #state: Uint32Array;

  constructor(seed: number, stream = '') {
    let hash = seed >>> 0;
    for (const char of stream) hash = mix(hash ^ (char.codePointAt(0) ?? 0));
    this.#state = new Uint32Array(4).map(() => (hash = mix(hash + 0x9e3779b9)));
  }

  /** 0 ≤ x < 1. */
  next(): number {
    const s = this.#state as Uint32Array & [number, number, number, number];
    const result = Math.imul(rotate(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11);
    return result / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** An integer, both ends included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  between(min: number, max: number): number {
    return min + this.next() * (max - min);
  }

  /** Waiting time of events that come `meanMs` apart, at most ten times that. */
  spacing(meanMs: number): number {
    return Math.min(10 * meanMs, -meanMs * Math.log(1 - this.next()));
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.int(0, items.length - 1)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** One of the keys, as likely as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let x = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) if ((x -= weight) < 0) return key;
    return this.pick(entries)[0];
  }

  id(): string {
    return idFromBytes(Uint8Array.from({ length: 16 }, () => this.int(0, 255)));
  }
}

const rotate = (x: number, by: number): number => ((x << by) | (x >>> (32 - by))) >>> 0;

function mix(x: number): number {
  let h = x >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
