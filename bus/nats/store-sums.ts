import { createHash } from 'node:crypto';
import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../durable-file.ts';

/** Sums of a store's blocks, made when its server had ended; as `sha256sum` writes them. */
const sumsFile = 'blocks.sha256';
/** nats-server's own note of what its blocks hold. */
const indexFile = 'index.db';

/** Remembers what the blocks of a store are like, for `checkStore`. Its server has ended. */
export async function rememberStore(storeDir: string): Promise<void> {
  const lines: string[] = [];
  for (const name of await filesOf(storeDir, '.blk'))
    lines.push(`${await sumOf(storeDir, name)}  ${name}\n`);
  await replaceFile(join(storeDir, sumsFile), lines.join(''));
}

/**
 * The blocks that are not as `rememberStore` found them; none when it was not called, as when the machine lost its power.
 * To be called before the server begins: afterwards the blocks are others.
 */
export async function checkStore(storeDir: string): Promise<readonly string[]> {
  const file = join(storeDir, sumsFile);
  // without sums there is nothing to compare with, as without a call of `rememberStore`
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  const changed: string[] = [];
  for (const line of lines) {
    const [sum = '', name = ''] = line.split('  ');
    if ((await sumOf(storeDir, name)) !== sum) changed.push(name);
  }
  // emptied, not removed: what a power cut brings back would be taken for damage
  if (lines.length > 0) await replaceFile(file, '');
  return changed;
}

/**
 * The server is to read its blocks when it starts. By its own note it would take them for what they were, and serve or
 * skip what is damaged; so it drops it, and gets it again from the other servers.
 */
export async function mistrustStore(storeDir: string): Promise<void> {
  for (const name of await filesOf(storeDir, indexFile)) await rm(join(storeDir, name));
}

async function filesOf(storeDir: string, end: string): Promise<readonly string[]> {
  // a store that is not there has no files
  const names = await readdir(storeDir, { recursive: true }).catch(() => []);
  return names.filter((name) => name.endsWith(end));
}

async function sumOf(storeDir: string, name: string): Promise<string> {
  // one that cannot be read is not as it was
  const data = await readFile(join(storeDir, name)).catch(() => Buffer.alloc(0));
  return createHash('sha256').update(data).digest('hex');
}
