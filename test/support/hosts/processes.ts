// Processes and names on this machine that belong to hosts of a test; and the end of those whose test has died.

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandOf, run, type RunOptions, signal, until } from '../engine.ts';

/** Who started a set of hosts, and where. Kept in its folder for whoever finds it later. */
export interface Owner {
  readonly pid: number;
  /** When that process began, in ticks since `boot`: process IDs come back, this pair does not. */
  readonly started: string;
  readonly boot: string;
  /** What is to be removed besides the folder that this is found in. */
  readonly folders: readonly string[];
}

export const OWNER_FILE = 'owner.json';
/** The folder of a set of hosts, and what the names of its namespaces begin with. */
export const PREFIX = /^natswarm-h-[0-9a-f]{8}$/;
/** An owner writes its file at once; a folder without one after this time was left by a dead one. */
const ownerlessMs = 60_000;

export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${code}: ${stderr.trim()}`);
  return stdout.trim();
}

export function thisOwner(folders: readonly string[]): Owner {
  return { pid: process.pid, started: statOf(process.pid).started, boot: bootId(), folders };
}

/** Removes what hosts have left whose test was killed together with everything that cleans up after it. */
export async function sweep(): Promise<void> {
  const names = (await readdir(tmpdir())).filter((name) => PREFIX.test(name));
  for (const prefix of names) {
    const dir = join(tmpdir(), prefix);
    const owner = ownerOf(dir);
    const age = await stat(dir).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (owner === undefined ? age < ownerlessMs : isAlive(owner)) continue;
    for (const netns of netnsOf(prefix)) await removeNetns(netns);
    for (const group of cgroupsOf(prefix))
      await run(['find', group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+']);
    for (const folder of [...(owner?.folders ?? []), dir])
      await run(['rm', '-rf', '--one-file-system', '--', folder]);
  }
}

async function removeNetns(netns: string): Promise<void> {
  // by namespace and not by number: whoever is in it is ours
  const inside = (await run(['ip', 'netns', 'pids', netns])).stdout.split('\n').map(Number);
  for (const pid of inside.filter((n) => n > 1)) signal(pid, 'SIGKILL');
  await run(['ip', 'netns', 'del', netns]);
}

function ownerOf(dir: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, OWNER_FILE), 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

function isAlive(owner: Owner): boolean {
  return owner.boot === bootId() && owner.started === statOf(owner.pid).started;
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Network namespaces whose names begin so. */
export function netnsOf(prefix: string): readonly string[] {
  if (!existsSync('/run/netns')) return [];
  return readdirSync('/run/netns').filter((name) => name.startsWith(`${prefix}-`));
}

/** Cgroups whose names begin so, in every hierarchy. */
export function cgroupsOf(prefix: string): readonly string[] {
  const top = '/sys/fs/cgroup';
  return ['', ...readdirSync(top)].flatMap((hierarchy) => {
    try {
      return readdirSync(join(top, hierarchy))
        .filter((name) => name.startsWith(`${prefix}-`))
        .map((name) => join(top, hierarchy, name));
    } catch {
      return [];
    }
  });
}

/** Processes of a host: in the process namespace of `init`, or in a container of the engine `name`. */
export function processesOf(init: number, name: string): readonly number[] {
  const namespace = linkOf(`/proc/${init}/ns/pid`);
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter(
      (pid) =>
        (namespace !== '' && linkOf(`/proc/${pid}/ns/pid`) === namespace) ||
        textOf(`/proc/${pid}/cgroup`).includes(`/${name}/`),
    );
}

/**
 * Stops a process until `thaw`. Its nsenter, if it has one, stops itself when it sees that; waiting for this keeps it
 * from missing the thaw.
 */
export async function freeze(pid: number): Promise<void> {
  signal(pid, 'SIGSTOP');
  const stopped = [pid, waiterOf(pid)].filter((n) => n > 0);
  await until(() => stopped.every((n) => 'TtXZ'.includes(statOf(n).state)), 10_000, 'SIGSTOP');
}

export function thaw(pid: number): void {
  signal(pid, 'SIGCONT');
  const waiter = waiterOf(pid);
  if (waiter > 0) signal(waiter, 'SIGCONT');
}

/** The nsenter that waits for a process; 0 when there is none. */
export function waiterOf(pid: number): number {
  const { parent } = statOf(pid);
  return commandOf(parent) === 'nsenter' ? parent : 0;
}

/** Gone, or dead and waiting for its parent to notice. */
export function hasEnded(pid: number): boolean {
  return ['', 'Z', 'X'].includes(statOf(pid).state);
}

function statOf(pid: number): { state: string; parent: number; started: string } {
  const text = textOf(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // without a process there is one empty field, and '' is in every text
  return { state: fields[0] ?? '', parent: Number(fields[1] ?? 0), started: fields[19] ?? '' };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
