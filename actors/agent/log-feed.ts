import type { LogAnswer } from '../../bus/log-bodies.ts';
import { wireFault } from '../../bus/wire-fault.ts';
import type { Fault } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { frameOf, type LogChunk } from '../../domain/logs/frames.ts';

/**
 * Lines between the engine and a manager that pulls them: as many as fit into one answer, then the reading waits. The
 * last answer is kept until the next one is asked for, because it may have got lost.
 */
export class LogFeed {
  readonly #wallNow: () => number;
  #frames: Uint8Array[] = [];
  #bytes = 0;
  #end: 'open' | 'ended' | Fault = 'open';
  #seq = 0;
  #last: LogAnswer | undefined;
  #wake: (() => void) | undefined;

  constructor(wallNow: () => number) {
    this.#wallNow = wallNow;
  }

  /** Reads until the log ends. `onFirst` hears whenever there is something where there was nothing. Never rejects. */
  async fill(
    chunks: AsyncIterable<LogChunk>,
    failure: (error: unknown) => Fault,
    onFirst: () => void,
  ): Promise<void> {
    try {
      for await (const chunk of chunks) {
        const frame = frameOf(chunk);
        this.#frames.push(frame);
        this.#bytes += frame.length;
        if (this.#frames.length === 1) onFirst();
        if (this.#bytes >= limits.logAnswerBytesMax)
          await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      this.#end = 'ended';
    } catch (error) {
      this.#end = failure(error);
    }
    onFirst();
  }

  /** `seq` is the number of the answer that was given last. */
  isRepeat(seq: number): boolean {
    return seq === this.#seq && this.#last !== undefined;
  }
  isNext(seq: number): boolean {
    return seq === this.#seq + 1;
  }
  get hasNews(): boolean {
    return this.#frames.length > 0 || this.#end !== 'open';
  }

  repeat(): LogAnswer {
    return this.#last ?? this.#answer(new Uint8Array());
  }

  /** The next answer, with `bytesMax` of lines or one line that is longer; none where there are none yet. */
  next(bytesMax: number): LogAnswer {
    this.#seq += 1;
    const frames = this.#take(bytesMax);
    const isLast = this.#frames.length === 0 && frames.length === 0;
    this.#last =
      isLast && typeof this.#end === 'object'
        ? { ok: false, error: wireFault(this.#end) }
        : this.#answer(frames);
    return this.#last;
  }

  #answer(frames: Uint8Array): LogAnswer {
    const end = this.#end === 'ended' && this.#frames.length === 0;
    return { ok: true, at: this.#wallNow(), frames, end };
  }

  #take(bytesMax: number): Uint8Array {
    let count = 0;
    let size = 0;
    for (const { length } of this.#frames) {
      if (count > 0 && size + length > bytesMax) break;
      count += 1;
      size += length;
    }
    const out = new Uint8Array(size);
    let at = 0;
    for (const piece of this.#frames.splice(0, count)) {
      out.set(piece, at);
      at += piece.length;
    }
    this.#bytes = this.#frames.reduce((sum, { length }) => sum + length, 0);
    this.#wake?.();
    this.#wake = undefined;
    return out;
  }
}
