import { spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants, mkdirSync, openSync } from 'node:fs';

/**
 * Takes a directory for this daemon, making it where it is absent: two daemons on one state would destroy it. Throws an
 * Error that names the setting. Answers what gives the directory back.
 */
export function claimDirectory(setting: string, dir: string): () => void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Error(`cannot use --${setting} ${dir}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return lock(dir, `--${setting} ${dir} is in use by another natswarm daemon`);
}

/**
 * The lock is the kernel's and belongs to the open directory, so it ends with the process however that ends. flock(1)
 * of util-linux sets it on the descriptor that it inherits; Node has no call for it.
 */
function lock(dir: string, refusal: string): () => void {
  const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  const { status, error } = spawnSync('flock', ['--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
  });
  if (status === 0) return () => closeSync(fd);
  closeSync(fd);
  if (error !== undefined) throw new Error(`cannot run flock: ${error.message}`, { cause: error });
  throw new Error(refusal);
}
