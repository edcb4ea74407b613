import type { Checkpoint } from '../../../bus/ports.ts';
import type { JournalDisk } from '../world/journal.ts';
import type { SimProcess } from '../world/process.ts';

/** Begins a journal with a state. */
export async function writeJournal(
  disk: JournalDisk,
  process: SimProcess,
  checkpoint: Checkpoint,
): Promise<void> {
  const journal = disk.open(process);
  await journal.load();
  await journal.checkpoint(checkpoint);
  await journal.close();
}
