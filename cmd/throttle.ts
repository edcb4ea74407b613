export interface ThrottleOptions {
  /** Of one kind, at once. */
  readonly burst: number;
  /** Of one kind, afterwards. */
  readonly perS: number;
  /** Kinds told apart; all further ones share a limit. */
  readonly kindsMax: number;
}

interface Kind {
  left: number;
  at: number;
  /** Held back since the last one that passed. */
  held: number;
}

/**
 * Lets a bounded number of each kind pass: what strangers can cause must not fill a disk. Time is the caller's, ms, and
 * must not go back.
 */
export class Throttle {
  readonly #options: ThrottleOptions;
  readonly #kinds = new Map<string, Kind>();

  constructor(options: ThrottleOptions) {
    this.#options = options;
  }

  /** How many were held back since the last one; undefined: this one is held back too. */
  pass(name: string, nowMs: number): number | undefined {
    const { burst, perS } = this.#options;
    const kind = this.#kind(name, nowMs);
    kind.left = Math.min(burst, kind.left + ((nowMs - kind.at) / 1_000) * perS);
    kind.at = nowMs;
    if (kind.left < 1) {
      kind.held += 1;
      return undefined;
    }
    kind.left -= 1;
    const { held } = kind;
    kind.held = 0;
    return held;
  }

  #kind(name: string, nowMs: number): Kind {
    const { burst, kindsMax } = this.#options;
    const key = this.#kinds.has(name) || this.#kinds.size < kindsMax ? name : '';
    const known = this.#kinds.get(key) ?? { left: burst, at: nowMs, held: 0 };
    this.#kinds.set(key, known);
    return known;
  }
}
