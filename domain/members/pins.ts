import { limits } from '../limits.ts';
import type { Node } from '../model/objects.ts';

/** The keys that a manager's server may show to another's. */
export type PinnedKeys = Pick<Node, 'pins' | 'pinsSeenAt'>;

/**
 * The keys after the node has asked for a certificate of `asked`. The key in use stays whatever comes of that, and however
 * often it is asked. So does, for a while, what was in use before: the servers' connections were made with it, and close
 * when it is pinned no more, all at the same time. The newest is the last. Undefined if nothing changes.
 * @param held the key in use, which the node has proved; undefined if it is `asked`
 */
export function pinsAfter(
  { pins = [], pinsSeenAt = {} }: PinnedKeys,
  asked: string,
  held: string | undefined,
  now: number,
): PinnedKeys | undefined {
  // one that gets its first certificate as a manager has shown no server a key yet
  const current =
    held === undefined || held === asked || pins.length === 0 ? [asked] : [held, asked];
  const isRecent = (pin: string, ms: number): boolean => now - (pinsSeenAt[pin] ?? 0) < ms;
  const kept = [...pins.filter((pin) => !current.includes(pin)), ...current];
  const isSame = kept.length === pins.length && kept.every((pin, i) => pin === pins[i]);
  if (isSame && current.every((pin) => isRecent(pin, limits.formerKeyKeptMs / 2))) return undefined;
  const former = kept
    .slice(0, -current.length)
    .filter((pin) => isRecent(pin, limits.formerKeyKeptMs));
  const next = [...former.slice(current.length - limits.pinnedKeysMax), ...current];
  return {
    pins: next,
    pinsSeenAt: Object.fromEntries(
      next.map((pin) => [pin, current.includes(pin) ? now : (pinsSeenAt[pin] ?? 0)]),
    ),
  };
}
