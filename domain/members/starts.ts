import type { Start } from '../model/objects.ts';
export type { Start };

/** What others have seen of a manager's disk: its last start, and up to where it said that its journal is there. */
export interface DiskMark extends Start {
  readonly kept: number;
  /** Of the log, when `kept` was said. Absent where only the start is known, and in what an older version has written. */
  readonly generation?: number;
}

/** What a manager's disk tells of itself. */
export interface OwnDisk {
  /** Of the log that its journal is of. */
  readonly generation: number;
  /** The last ones, oldest first; the last is the present one. */
  readonly starts: readonly Start[];
  /** Up to where its journal goes; absent where that cannot be read. */
  readonly kept?: number;
}

/** Starts that a disk remembers: one that is older is not asked for. */
export const startsKept = 64;

export const isStart = ({ number, id }: { number?: unknown; id?: unknown }): boolean =>
  Number.isSafeInteger(number) && (number as number) > 0 && /^[0-9a-f]{1,64}$/.test(String(id));

/**
 * Why this disk is older than what was seen of it; undefined when it need not be. A disk of long ago is not older: it is
 * when it was seen with more.
 */
export function whyOlder(own: OwnDisk, seen: DiskMark | undefined): string | undefined {
  const last = own.starts.at(-1);
  if (seen === undefined || last === undefined) return undefined;
  if (seen.number > last.number)
    return older(`start ${seen.number} of its server, and it knows of ${last.number - 1}`);
  const known = own.starts.find(({ number }) => number === seen.number);
  if (known !== undefined && known.id !== seen.id)
    return older(`start ${seen.number} of its server, and it knows of another one`);
  if (own.kept !== undefined && own.kept < seen.kept && !hasGoneOver(own, seen))
    return older(`record ${seen.kept} of the state on it, and it ends at ${own.kept}`);
  return undefined;
}

/**
 * Whoever joins a new generation has an empty journal there until it gets the state. A disk that is in a later generation
 * than it was seen in is no older than it was then.
 */
const hasGoneOver = ({ generation }: OwnDisk, seen: DiskMark): boolean =>
  seen.generation !== undefined && generation > seen.generation;

const older = (seen: string): string =>
  `the disk is older than what other managers have seen of it (${seen})`;

/** What is known of a disk when it is told of again: a newer start counts for itself. */
export function laterMark(seen: DiskMark | undefined, told: DiskMark): DiskMark {
  if (seen === undefined || told.number > seen.number) return told;
  if (told.number < seen.number || told.id !== seen.id) return seen;
  const [before = 0, now = 0] = [seen.generation, told.generation];
  return now > before || (now === before && told.kept > seen.kept) ? told : seen;
}
