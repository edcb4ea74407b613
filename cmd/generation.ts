import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { FileJournal } from '../bus/journal/journal.ts';
import type { Checkpoint } from '../bus/ports.ts';
import { limits } from '../domain/limits.ts';
import type { NodeFiles } from './node-files.ts';

const folders = ['store', 'journal'] as const;
type Folder = (typeof folders)[number];

/** The journal of one generation of the log, on this manager: the one in use, or one that was set aside. */
export const journalOf = (files: NodeFiles, generation: number, aside?: string): FileJournal =>
  new FileJournal({
    dir:
      aside === undefined
        ? files.path('journal', String(generation))
        : files.path('aside', aside, 'journal'),
    key: Buffer.from(files.mustKeys().dataKey, 'hex'),
    generation,
  });

/** Begins a generation's journal with a state; what is there of it was cut off, and goes. */
export async function beginJournal(
  files: NodeFiles,
  generation: number,
  checkpoint: Checkpoint,
): Promise<void> {
  rmSync(files.path('journal', String(generation)), { recursive: true, force: true });
  const journal = journalOf(files, generation);
  await journal.load();
  await journal.checkpoint(checkpoint);
  await journal.close();
}

/** A generation that begins here: whatever there is of it was cut off before anything was written, and goes. */
export async function beginGeneration(
  files: NodeFiles,
  generation: number,
  checkpoint: Checkpoint,
): Promise<void> {
  for (const folder of folders)
    rmSync(files.path(folder, String(generation)), { recursive: true, force: true });
  await beginJournal(files, generation, checkpoint);
}

/** Removes this manager's copy of a generation's log: its server begins anew, under another name. */
export const forgetStore = (files: NodeFiles, generation: number): void =>
  rmSync(files.path('store', String(generation)), { recursive: true, force: true });

/** Removes what this manager has of generations other than `kept`. */
export function forgetOtherGenerations(files: NodeFiles, kept: number): void {
  for (const folder of folders)
    for (const name of namesIn(files.path(folder)))
      if (name !== String(kept)) rmSync(files.path(folder, name), { recursive: true, force: true });
}

/** Names of the states that were set aside, oldest first. */
export const statesAside = (files: NodeFiles): readonly string[] =>
  [...namesIn(files.path('aside'))].sort();

/** As `putAside`, while there are not too many. Throws when there are: nothing is ever removed by itself. */
export function setStateAside(
  files: NodeFiles,
  generation: number,
  nowMs: number,
  parts: readonly Folder[],
): string {
  const { length } = statesAside(files);
  if (length >= limits.statesAsideMax)
    throw new Error(
      `the disk of this manager is not to be used, and ${files.path('aside')} has ${length} states already: remove those that nobody needs any more`,
    );
  return putAside(files, generation, nowMs, parts);
}

/** Keeps what there is of a generation where nothing uses it any more. Answers where, below the state directory. */
export function putAside(
  files: NodeFiles,
  generation: number,
  nowMs: number,
  parts: readonly Folder[] = folders,
): string {
  const aside = `${generation}-${new Date(nowMs).toISOString().replaceAll(':', '')}`;
  for (const folder of parts) {
    if (!namesIn(files.path(folder)).includes(String(generation))) continue;
    mkdirSync(files.path('aside', aside), { recursive: true, mode: 0o700 });
    renameSync(files.path(folder, String(generation)), files.path('aside', aside, folder));
  }
  return `aside/${aside}`;
}

const namesIn = (dir: string): readonly string[] => (existsSync(dir) ? readdirSync(dir) : []);
