import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import writeFileAtomic from 'write-file-atomic';
import { formatUnlockKey, newKey, parseUnlockKey } from '../pki/mod.ts';
import {
  describeBackup,
  openBackup,
  prepareRestore,
  restoreBackup,
  sealBackup,
  unpackBackup,
} from './backup.ts';
import { addDaemonOptions, readConfig } from './config.ts';
import { claimDirectory } from './directory.ts';
import { NodeFiles } from './node-files.ts';

const keyFileHelp = 'file with the key of the backup';

/** `natswarm backup` and `natswarm restore`. */
export function addBackupCommands(program: Command): void {
  program
    .command('backup <FILE>')
    .description('write the state of the swarm, encrypted, to a file; on a manager that runs')
    .option('--host <unix:///PATH>', 'socket of the daemon', 'unix:///run/natswarm.sock')
    .option(
      '--key-file <FILE>',
      `${keyFileHelp}; made if it is not there (default: a new key, shown)`,
    )
    .action((file: string, options: BackupOptions) => reporting(() => backup(file, options)));
  addDaemonOptions(
    program
      .command('restore <FILE>')
      .description(
        'make this host the only manager of the swarm that a backup is of; the daemon must not run',
      )
      .option('--key-file <FILE>', `${keyFileHelp} (default: asked for)`),
  )
    .addHelpText(
      'after',
      '\nThe settings are the daemon’s: start it afterwards with the same ones.',
    )
    .action((file: string, options: RestoreOptions, command: Command) =>
      reporting(() => restore(file, options, command)),
    );
}

interface BackupOptions {
  readonly host: string;
  readonly keyFile?: string;
}
interface RestoreOptions {
  readonly keyFile?: string;
}

export async function reporting(run: () => Promise<string>): Promise<void> {
  try {
    process.stdout.write(`${await run()}\n`);
  } catch (error) {
    process.stderr.write(`natswarm: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}

async function backup(file: string, { host, keyFile }: BackupOptions): Promise<string> {
  const bytes = await askDaemon(host, '/natswarm/backup', 'GET');
  const key = keyFile !== undefined && existsSync(keyFile) ? keyIn(keyFile) : newKey();
  if (keyFile !== undefined) writeFileAtomic.sync(keyFile, `${formatUnlockKey(key)}\n`, secret);
  writeFileAtomic.sync(file, sealBackup(bytes, key), secret);
  const written = `${file}: ${describeBackup(unpackBackup(bytes))}`;
  if (keyFile !== undefined) return `${written}\nIts key is in ${keyFile}; keep the two apart.`;
  return `${written}\nIt can be restored with this key only; keep the two apart:\n\n    ${formatUnlockKey(key)}\n`;
}
const secret = { mode: 0o600 } as const;

async function restore(file: string, options: RestoreOptions, command: Command): Promise<string> {
  const config = readConfig(command);
  const sealed = readFileSync(file);
  const release = claimDirectory('state-dir', config.stateDir);
  try {
    const files = new NodeFiles(config.stateDir);
    const addresses = prepareRestore(files, config);
    const key = options.keyFile === undefined ? await askKey() : keyIn(options.keyFile);
    const opened = explained(`cannot restore ${file}`, () => openBackup(sealed, key));
    const { nodeId } = await restoreBackup(opened, files, config, addresses, Date.now());
    return (
      `Restored: ${describeBackup(opened)}\n` +
      `This host is node ${nodeId}, the only manager. Start the daemon; the other managers are workers from now on, and ` +
      'nodes that do not come back can be removed with "docker node rm --force".'
    );
  } finally {
    release();
  }
}

function explained<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

const keyIn = (file: string): Buffer => keyFrom(readFileSync(file, 'utf8'), `in ${file}`);

/** Rejects when the input ends without a line. */
async function askKey(): Promise<Buffer> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new Promise<never>((_, reject) => {
    const missing = 'no key was given; type it, or name a file that has it with --key-file';
    lines.once('close', () => reject(new Error(missing)));
  });
  try {
    return keyFrom(await Promise.race([lines.question('Key of the backup: '), ended]), 'given');
  } finally {
    lines.close();
  }
}

function keyFrom(text: string, where: string): Buffer {
  const parsed = parseUnlockKey(text.trim());
  if (!parsed.ok) throw new Error(`the key ${where} is none: it begins with SWMKEY-1-`);
  return parsed.key;
}

/** Rejects with what the daemon says. */
export function askDaemon(host: string, path: string, method: 'GET' | 'POST'): Promise<Buffer> {
  const socketPath = host.replace(/^unix:\/\//, '');
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const body = Buffer.concat(chunks);
        if (!answer.complete) reject(new Error('the daemon’s answer was cut off'));
        else if (answer.statusCode === 200) resolve(body);
        else reject(new Error(messageIn(body)));
      });
    });
    asked.on('error', (error) =>
      reject(new Error(`cannot reach the daemon at ${socketPath}: ${error.message}`)),
    );
    asked.end();
  });
}

function messageIn(body: Buffer): string {
  try {
    return (JSON.parse(body.toString()) as { message: string }).message;
  } catch {
    return body.toString().slice(0, 1_000);
  }
}
