import { rmSync, readdirSync, renameSync, mkdirSync } from 'node:fs';
import { FileJournal } from '../bus/journal/journal.ts';
import type { Checkpoint } from '../bus/ports.ts';
import type { NodeFiles } from './node-files.ts';

const folders = ['store', 'journal'] as const;

/** The journal of one generation of the log, on this manager. */
export const journalOf = (files: NodeFiles, generation: number): FileJournal =>
  new FileJournal({
    dir: files.path('journal', String(generation)),
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

/** Removes what this manager has of generations other than `kept`. */
export function forgetOtherGenerations(files: NodeFiles, kept: number): void {
  for (const folder of folders)
    for (const name of namesIn(files.path(folder)))
      if (name !== String(kept)) rmSync(files.path(folder, name), { recursive: true, force: true });
}

/** Keeps what there is of a generation that was left by force where nothing uses it any more. */
export function putAside(files: NodeFiles, generation: number, nowMs: number): void {
  const aside = `${generation}-${new Date(nowMs).toISOString().replaceAll(':', '')}`;
  for (const folder of folders) {
    if (!namesIn(files.path(folder)).includes(String(generation))) continue;
    mkdirSync(files.path('aside', aside), { recursive: true, mode: 0o700 });
    renameSync(files.path(folder, String(generation)), files.path('aside', aside, folder));
  }
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
