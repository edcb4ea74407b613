import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, statSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** No lock of a directory waits; a network's file system that does not answer would. */
const lockLimitMs = 5_000;

/**
 * Takes a directory for this daemon, making it where it is absent: two daemons on one state would destroy it. Throws an
 * Error that names the setting. Answers what gives the directory back.
 */
export function claimDirectory(setting: string, dir: string): () => void {
  try {
    makeDirectory(dir);
    requireWritable(dir);
  } catch (error) {
    throw new Error(`cannot use --${setting} ${dir}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return lock(dir, `--${setting} ${dir} is in use by another natswarm daemon`);
}

/** Node's own recursive mkdir never returns where a file system takes no directories at all, such as /proc. */
function makeDirectory(dir: string): void {
  if (isDirectory(dir)) return;
  if (dirname(dir) !== dir) makeDirectory(dirname(dir));
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if (!isDirectory(dir)) throw error; // else another process was faster
  }
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Permissions alone tell root nothing. A disk that is full is no reason not to start: there may be room again. */
function requireWritable(dir: string): void {
  const probe = join(dir, `.probe-${process.pid}`);
  try {
    closeSync(openSync(probe, 'w', 0o600));
    unlinkSync(probe);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ENOSPC', 'EDQUOT'].includes(code)) throw error;
  }
}

/**
 * The lock is the kernel's and belongs to the open directory, so it ends with the process however that ends. flock(1)
 * of util-linux sets it on the descriptor that it inherits; Node has no call for it.
 */
function lock(dir: string, refusal: string): () => void {
  const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  const { status, error } = spawnSync('flock', ['--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
    timeout: lockLimitMs,
  });
  if (status === 0) return () => closeSync(fd);
  closeSync(fd);
  if (error !== undefined) throw new Error(`cannot run flock: ${error.message}`, { cause: error });
  throw new Error(refusal);
}
