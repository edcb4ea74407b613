import {
  type LogChunk,
  type LogOptions,
  type LogSubject,
  NoContainer,
} from '../../../actors/agent/ports.ts';
import { nanosOf } from '../../../domain/logs/place.ts';

/** Every line that there is. */
export const allLines: LogOptions = {
  stdout: true,
  stderr: true,
  follow: false,
  timestamps: false,
  details: false,
  since: '',
  tail: 'all',
};

interface Entry {
  readonly stream: LogChunk['stream'];
  /** `2026-11-30T14:25:04.123456789Z` */
  readonly time: string;
  readonly text: string;
}

/** The logs of containers as an engine gives them: with times, from a time on, a tail, followed, at its reader's pace. */
export class LogEngine {
  readonly entries = new Map<string, Entry[]>();
  readonly ended = new Set<string>();
  /** What was asked for, oldest first. */
  readonly asked: (LogOptions & { readonly id: string })[] = [];
  /** Readings that go on. */
  reading = 0;
  /** Lines that were taken from the engine. */
  taken = 0;
  failure: Error | undefined;
  #wake = new Set<() => void>();

  /** `at` is in seconds of a certain minute. */
  write(id: string, at: number, text: string, stream: LogChunk['stream'] = 'stdout'): void {
    const time = `2026-11-30T14:25:${at.toFixed(9).padStart(12, '0')}Z`;
    this.entries.set(id, [...(this.entries.get(id) ?? []), { stream, time, text }]);
    this.#change();
  }
  end(id: string): void {
    this.ended.add(id);
    this.#change();
  }
  fail(failure: Error): void {
    this.failure = failure;
    this.#change();
  }

  async *logs(
    { id }: LogSubject,
    options: LogOptions,
    scope: AbortSignal,
  ): AsyncIterable<LogChunk> {
    this.asked.push({ ...options, id });
    this.reading += 1;
    const closed = (): void => {
      this.reading -= 1;
      this.#change();
    };
    scope.addEventListener('abort', closed, { once: true });
    try {
      yield* this.#read(id, options, scope);
    } finally {
      scope.removeEventListener('abort', closed);
      if (!scope.aborted) this.reading -= 1;
    }
  }

  async *#read(id: string, options: LogOptions, scope: AbortSignal): AsyncIterable<LogChunk> {
    if (!this.entries.has(id)) throw new NoContainer(`of task ${id}`);
    const [seconds = '0', decimals = ''] = options.since.split('.');
    const since = BigInt(seconds) * 1_000_000_000n + BigInt(decimals.padEnd(9, '0') || 0);
    const all = (): readonly Entry[] => this.entries.get(id) ?? [];
    const tail = options.tail === 'all' ? all().length : Number(options.tail);
    for (let at = Math.max(0, all().length - tail); !scope.aborted; at++) {
      while (at >= all().length) {
        if (this.failure !== undefined) throw this.failure;
        if (!options.follow || this.ended.has(id) || scope.aborted) return;
        await new Promise<void>((resolve) => this.#wake.add(resolve));
      }
      const { stream, time, text } = all()[at] as Entry;
      if (nanosOf(time) < since || !options[stream]) continue;
      this.taken += 1;
      const prefix = options.timestamps ? `${time} ` : '';
      yield { stream, data: new TextEncoder().encode(`${prefix}${text}\n`) };
    }
  }

  #change(): void {
    const waiting = this.#wake;
    this.#wake = new Set();
    for (const wake of waiting) wake();
  }
}
