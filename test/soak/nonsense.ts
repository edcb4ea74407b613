import type { Random } from '../sim/world/random.ts';

const textLengthMax = 5_000;
const depthMax = 4;
const garbageBytesMax = 2_000;
const nestedMax = 100_000;
/** Over the limit of a message. */
const bodyBytesMax = 5 * 2 ** 20;

/** Messages of a node: valid, nearly valid, and not at all. */
export class Nonsense {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  readonly hello = (): object => ({
    session: 's',
    description: {
      hostname: 'mallory',
      platform: { architecture: 'x86_64', os: 'linux' },
      resources: { nanoCpus: 1e9, memoryBytes: 1e9, generic: [] },
      engine: { version: '28.0.0', labels: { a: 'b' }, plugins: [{ type: 'Log', name: 'x' }] },
    },
  });

  readonly status = (): object => ({
    session: 's',
    updates: [
      { taskId: this.#random.id(), status: { state: 'running', at: Date.now(), message: 'm' } },
    ],
  });

  /** What goes over the wire in place of `valid`; now and then that itself. */
  body(valid: object): string | Uint8Array {
    const random = this.#random;
    switch (random.weighted({ valid: 3, near: 4, deep: 1, garbage: 2, empty: 1, large: 1 })) {
      case 'valid':
        return JSON.stringify(valid);
      case 'near':
        return JSON.stringify(this.#near(valid)) ?? '';
      case 'deep':
        return '['.repeat(random.int(1, nestedMax));
      case 'garbage':
        return Uint8Array.from({ length: random.int(1, garbageBytesMax) }, () =>
          random.int(0, 255),
        );
      case 'empty':
        return '';
      case 'large':
        return 'x'.repeat(random.int(1, bodyBytesMax));
    }
  }

  /** `value` with some of its fields, at any depth, replaced by anything. */
  #near(value: unknown): unknown {
    if (this.#random.chance(0.1)) return this.#anything();
    if (Array.isArray(value)) return value.map((inner) => this.#near(inner));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, this.#near(inner)]),
    );
  }

  #anything(depth = 0): unknown {
    const random = this.#random;
    if (depth === depthMax || random.chance(0.6)) return this.#plain();
    const items = Array.from({ length: random.int(0, 5) }, () => this.#anything(depth + 1));
    if (random.chance(0.5)) return items;
    return Object.fromEntries(items.map((item, i) => [random.pick(['a', 'b', `k${i}`]), item]));
  }

  #plain(): unknown {
    const text = 'x'.repeat(this.#random.int(0, textLengthMax));
    return this.#random.pick<unknown>([
      null,
      true,
      -1,
      1e300,
      2 ** 53,
      '\u001b[2J\n\r\0',
      '__proto__',
      text,
    ] as const);
  }
}
