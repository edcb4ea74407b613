import { existsSync } from 'node:fs';
import { chown, chmod, lstat, readFile, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { limits } from '../domain/limits.ts';

export interface SocketOptions {
  /** Permissions of the socket file; 0660 by default. */
  readonly mode?: number;
  /** Group of the socket file, where the machine has it; `docker` by default. */
  readonly group?: string;
}

/** Path of a `unix:///…` address or a plain absolute path. Throws for anything else. */
export function socketPathOf(address: string): string {
  const path = address.replace(/^unix:\/\//, '');
  if (path.startsWith('/')) return path;
  throw new Error(`cannot listen on "${address}": only unix:///path addresses are supported`);
}

/**
 * Listens on a Unix socket. The socket file of a daemon that is gone is replaced; one that somebody answers on, or a
 * file of another kind, is an error. Only the owner can connect until mode and group are set.
 */
export async function listenUnix(
  server: Server,
  path: string,
  options: SocketOptions,
): Promise<void> {
  await removeStale(path);
  await new Promise<void>((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => reject(cannotListen(path, error));
    server.once('error', failed);
    // the file is made during the call of listen
    const mask = process.umask(0o177);
    server.listen({ path, backlog: limits.listenBacklog }, () => {
      server.off('error', failed);
      resolve();
    });
    process.umask(mask);
  });
  const group = await groupId(options.group ?? 'docker');
  if (group !== undefined) await chown(path, 0, group);
  await chmod(path, options.mode ?? 0o660);
}

/** Node says EACCES where the folder of the socket is missing. */
const cannotListen = (path: string, { code, message }: NodeJS.ErrnoException): Error =>
  new Error(
    existsSync(dirname(path))
      ? `cannot listen on ${path}: ${code ?? message}`
      : `cannot listen on ${path}: its directory does not exist`,
  );

async function removeStale(path: string): Promise<void> {
  // what cannot be looked at is nothing to remove; if it is in the way, listening fails and says why
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`cannot listen on ${path}: it exists and is no socket`);
  if (await isAnswered(path))
    throw new Error(`cannot listen on ${path}: another daemon is listening there`);
  await unlink(path);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

async function groupId(name: string): Promise<number | undefined> {
  // without the file there is no such group, as without its line
  const groups = await readFile('/etc/group', 'utf8').catch(() => '');
  for (const line of groups.split('\n')) {
    const [found, , id] = line.split(':');
    if (found === name && id !== undefined) return Number(id);
  }
  return undefined;
}
