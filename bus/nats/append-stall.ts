/** Who has not asked for so long waits for nothing any more, ms. */
const forgottenMs = 3_000;

/** Since when a service leaves questions unanswered: from the first of a row that got no good answer. */
export class Stall {
  readonly #now: () => number;
  #since: number | undefined;
  #askedAt = 0;
  #open = 0;

  /** @param now of a monotonic clock, ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** ms; 0 while questions are answered, or nobody asks. */
  forMs(): number {
    const now = this.#now();
    const waits = this.#open > 0 || now - this.#askedAt < forgottenMs;
    return this.#since === undefined || !waits ? 0 : now - this.#since;
  }

  /** @param isAnswer whether what came was what was asked for */
  async watch<T>(asked: Promise<T>, isAnswer: (answer: T) => boolean): Promise<T> {
    this.#askedAt = this.#now();
    this.#since = this.forMs() > 0 ? this.#since : this.#askedAt;
    this.#open += 1;
    try {
      const answer = await asked;
      if (isAnswer(answer)) this.#since = undefined;
      return answer;
    } finally {
      this.#open -= 1;
    }
  }
}
