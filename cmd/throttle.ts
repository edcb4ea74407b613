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

interface Series {
  nextAt: number;
  pauseMs: number;
  /** Since the last one that was told. */
  held: number;
}

/** Pauses between two lines about one thing that is tried again and again, ms: from the least up to the greatest. */
const tellMs = { least: 1_000, max: 60_000 } as const;
/** Further things share one series. */
const seriesMax = 256;

/**
 * Tells of tries that fail one after the other ever more rarely: the first at once, then with growing pauses. What has been
 * quiet for twice the longest pause begins anew. Time is the caller's, ms, and must not go back.
 */
export class Repeats {
  readonly #series = new Map<string, Series>();

  /** How many were held back since the last one that was told; undefined: this one is held back too. */
  pass(name: string, nowMs: number): number | undefined {
    const key = this.#series.has(name) || this.#series.size < seriesMax ? name : '';
    const known = this.#series.get(key);
    if (known === undefined || nowMs > known.nextAt + 2 * tellMs.max) {
      this.#series.set(key, {
        nextAt: nowMs + tellMs.least,
        pauseMs: tellMs.least,
        held: 0,
      });
      return 0;
    }
    if (nowMs < known.nextAt) {
      known.held += 1;
      return undefined;
    }
    const { held } = known;
    known.pauseMs = Math.min(tellMs.max, 2 * known.pauseMs);
    known.nextAt = nowMs + known.pauseMs;
    known.held = 0;
    return held;
  }

  /** The thing has come about. How many were held back; undefined where nothing was told since it last had. */
  end(name: string): number | undefined {
    const held = this.#series.get(name)?.held;
    this.#series.delete(name);
    return held;
  }
}

/** Trouble counts as lasting when it goes on for so long, without having been away for so long, ms. */
const lastingMs = { after: 30_000, quiet: 30_000 } as const;

/** Tells trouble that passes from trouble that lasts. Time is the caller's, ms, and must not go back. */
export class Lasting {
  readonly #seen = new Map<string, { readonly since: number; last: number }>();

  /** @param kind one of few */
  isSo(kind: string, nowMs: number): boolean {
    const known = this.#seen.get(kind);
    if (known === undefined || nowMs > known.last + lastingMs.quiet) {
      this.#seen.set(kind, { since: nowMs, last: nowMs });
      return false;
    }
    known.last = nowMs;
    return nowMs >= known.since + lastingMs.after;
  }
}
