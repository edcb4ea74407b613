import { limits } from '../limits.ts';
import { refilled } from './bucket.ts';

/** What becomes of a message: it is read, it is dropped, or its sender is to be cut off. */
export type Verdict = 'read' | 'drop' | 'cut';

const messageBucket = { burst: limits.nodeMessagesBurst, perS: limits.nodeMessagesPerS };
const byteBucket = { burst: limits.nodeBytesBurst, perS: limits.nodeBytesPerS };

interface Level {
  /** What may still be sent; below zero for what was sent all the same, and nobody has read. */
  messages: number;
  bytes: number;
  at: number;
}

/**
 * What one node may send to the leader: a token bucket of messages and one of bytes. What is above it is dropped and
 * still counted, so that a node that goes on is told from one that has just had much to say: as soon as it has sent
 * twice what it may send at once it is to be cut off. Time is the caller's, ms, and must not go back.
 */
export class Budget {
  readonly #level: Level;

  constructor(nowMs: number) {
    this.#level = { messages: messageBucket.burst, bytes: byteBucket.burst, at: nowMs };
  }

  /** @param messages as how many it counts */
  spend(messages: number, bytes: number, nowMs: number): Verdict {
    const level = this.#level;
    const passedMs = nowMs - level.at;
    level.messages = refilled(level.messages, messageBucket, passedMs);
    level.bytes = refilled(level.bytes, byteBucket, passedMs);
    level.at = nowMs;
    // no deeper: a node that has stopped is heard again after a while, however much it was
    level.messages = Math.max(-messageBucket.burst, level.messages - messages);
    level.bytes = Math.max(-byteBucket.burst, level.bytes - bytes);
    if (level.messages === -messageBucket.burst || level.bytes === -byteBucket.burst) return 'cut';
    return level.messages < 0 || level.bytes < 0 ? 'drop' : 'read';
  }
}
