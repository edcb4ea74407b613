import { limits } from '../../../domain/limits.ts';
import { type Clock, pause } from '../../../supervisors/clock.ts';
import { abortedError } from '../ports.ts';
import type { EngineError } from '../ports.ts';
import { type Client, linesOf } from './docker-client.ts';
import { labels } from './docker-config.ts';

const reconnectMinMs = 50;
const reconnectMaxMs = 2_000;

const filters = JSON.stringify({
  type: ['container'],
  label: [labels.task],
  event: ['die', 'oom', 'health_status', 'destroy'],
});

interface Waiter {
  readonly wake: () => void;
  readonly fail: (error: EngineError) => void;
}

/**
 * Tells when it is time to look at a container again, from one event stream for all of them. An event is a hint and
 * carries nothing: whoever waits asks the engine. So nothing is lost when the stream breaks: once it is back,
 * every container counts as changed.
 */
export class EngineEvents {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #scope: AbortSignal;
  /** Counts events and connections. Callers note it before they look (`now`). */
  #count = 0;
  /** Looks older than this prove nothing: the stream was not there, or its memory does not reach back. */
  #floor = 0;
  /** Container → count of its last event, oldest first; at most `engineEventsKept`. */
  readonly #last = new Map<string, number>();
  readonly #waiters = new Map<string, Set<Waiter>>();
  #isOpen = false;

  constructor(client: Client, clock: Clock, scope: AbortSignal) {
    this.#client = client;
    this.#clock = clock;
    this.#scope = scope;
  }

  now(): number {
    return this.#count;
  }

  /** Whether what was seen of the container at `seen` still holds as far as anybody knows. */
  isUnchanged(id: string, seen: number): boolean {
    return seen >= this.#floor && (this.#last.get(id) ?? 0) <= seen;
  }

  /** Resolves once the container may have changed after `seen`. */
  changed(id: string, seen: number, scope: AbortSignal): Promise<void> {
    this.open();
    return new Promise((resolve, reject) => {
      if (scope.aborted || this.#scope.aborted) return reject(abortedError());
      if (!this.isUnchanged(id, seen)) return resolve();
      const waiters = this.#waiters.get(id) ?? new Set();
      this.#waiters.set(id, waiters);
      const leave = (): void => {
        scope.removeEventListener('abort', abort);
        waiters.delete(waiter);
        if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id);
      };
      const abort = (): void => waiter.fail(abortedError());
      const waiter: Waiter = {
        wake: () => {
          leave();
          resolve();
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      waiters.add(waiter);
      scope.addEventListener('abort', abort, { once: true });
    });
  }

  /** Starts the stream unless it runs. Called early, it saves the first containers a second look. */
  open(): void {
    if (this.#isOpen || this.#scope.aborted) return;
    this.#isOpen = true;
    void this.#run();
  }

  /** Never rejects. Ends with the executor's scope, or when the stream breaks while nobody waits. */
  async #run(): Promise<void> {
    let delayMs = reconnectMinMs;
    do {
      try {
        await this.#follow(() => {
          delayMs = reconnectMinMs;
        });
      } catch {
        // the engine is away; those who wait go on waiting
      }
      await pause(this.#clock, delayMs, this.#scope);
      delayMs = Math.min(delayMs * 2, reconnectMaxMs);
    } while (this.#waiters.size > 0 && !this.#scope.aborted);
    this.#isOpen = false;
    if (this.#scope.aborted) for (const waiter of this.#all()) waiter.fail(abortedError());
  }

  async #follow(onConnected: () => void): Promise<void> {
    // the engine answers a moment before it subscribes; `since` covers that moment
    const query = { filters, since: (Date.now() / 1000).toFixed(3) };
    const stream = await this.#client.open({ path: '/events', query, scope: this.#scope });
    onConnected();
    this.#count += 1;
    this.#floor = this.#count;
    this.#last.clear();
    for (const waiter of this.#all()) waiter.wake();
    for await (const line of linesOf(stream)) this.#take(line);
  }

  #take(line: string): void {
    const { Actor } = JSON.parse(line) as { readonly Actor?: { readonly ID?: string } };
    const id = Actor?.ID;
    if (id === undefined) return;
    this.#count += 1;
    this.#last.delete(id);
    this.#last.set(id, this.#count);
    if (this.#last.size > limits.engineEventsKept) this.#forgetOldest();
    for (const waiter of this.#waiters.get(id) ?? []) waiter.wake();
  }

  #forgetOldest(): void {
    const oldest = this.#last.entries().next().value;
    if (oldest === undefined) return;
    this.#last.delete(oldest[0]);
    this.#floor = Math.max(this.#floor, oldest[1]);
  }

  #all(): Waiter[] {
    return [...this.#waiters.values()].flatMap((waiters) => [...waiters]);
  }
}
