import { statfsSync } from 'node:fs';
import type { KeyLock } from '../actors/node/log-place/log-offer.ts';
import { parseUnlockKey } from '../pki/mod.ts';
import type { NodeFiles } from './node-files.ts';

/** Of file systems that are in memory only: tmpfs and ramfs (linux/magic.h). */
const memoryTypes: readonly number[] = [0x0102_1994, 0x8584_58f6];

/** What is wrong with a run directory when managers are to lock themselves: nats-server's keys lie there in the clear. */
export const runDirComplaint = (runDir: string): string =>
  memoryTypes.includes(statfsSync(runDir).type)
    ? ''
    : `autolock keeps keys off the disk, but the run directory ${runDir} is on one; start the daemon with --run-dir on a tmpfs`;

/** Answers whether anything changed. */
export function applyLock(files: NodeFiles, { unlockKey, version }: KeyLock): boolean {
  const parsed = unlockKey === undefined ? undefined : parseUnlockKey(unlockKey);
  if (parsed?.ok === false) throw new Error('the unlock key of the cluster is malformed');
  return files.lock(parsed?.key, version);
}
