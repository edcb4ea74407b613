import { limits } from '../../domain/limits.ts';
import type { Applied } from '../../domain/store/changes.ts';
import { eventOf, nanosOf, type SwarmEvent } from './event.ts';

type Listener = (event: SwarmEvent) => void;

/** Turns committed changes into events, keeps the last ones and tells the streams that are open. */
export class Recorder {
  readonly #wallNow: () => number;
  readonly #listeners = new Set<Listener>();
  #kept: SwarmEvent[] = [];

  constructor(wallNow: () => number) {
    this.#wallNow = wallNow;
  }

  take(changes: readonly Applied[]): void {
    for (const change of changes) {
      const event = eventOf(change, this.#wallNow());
      if (event === undefined) continue;
      this.#kept.push(event);
      if (this.#kept.length > 2 * limits.eventsKept)
        this.#kept = this.#kept.slice(-limits.eventsKept);
      for (const listener of this.#listeners) listener(event);
    }
  }

  /** Kept events of that time, nanoseconds, in the order in which they came. */
  between(since: bigint, until: bigint): readonly SwarmEvent[] {
    return this.#kept
      .slice(-limits.eventsKept)
      .filter((event) => nanosOf(event) >= since && nanosOf(event) <= until);
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
