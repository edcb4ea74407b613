import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../domain/assert.ts';
import { replaceFile } from '../durable-file.ts';
import { ServerError } from './errors.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Who runs: a process ID alone could be given to another process. `start` is in ticks since boot. */
interface ProcessId {
  readonly pid: number;
  readonly start: string;
}
/** What the record file says: the server, and the daemon that started it. */
interface ServerRecord {
  readonly server: ProcessId;
  readonly daemon: ProcessId;
}

/**
 * The kernel kills the child with the thread that started it (PR_SET_PDEATHSIG), so no server outlives its daemon. A
 * daemon that died before the child asked for that is found by the child itself: its parent is another one then.
 */
const guard = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"';

/** The command line for it; `parent` is the process that will start it. */
export function boundCommand(command: readonly string[], parent: number): readonly string[] {
  return ['setpriv', '--pdeathsig', 'KILL', 'sh', '-c', guard, 'sh', String(parent), ...command];
}

/** Starts a program that dies with this process. It has a session of its own: signals of a terminal pass it by. */
export function spawnBound(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcess {
  const [program, ...args] = boundCommand(command, process.pid);
  assert(program, 'a command has a program');
  return spawn(program, args, {
    // For finding the programs only; nothing else of the daemon's environment is handed on.
    env: { PATH: process.env['PATH'] ?? '', ...env },
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
}

/** Keeps who was started, for `clearStale` of a later daemon. */
export async function recordChild(recordFile: string, pid: number): Promise<void> {
  const server = await processId(pid);
  const daemon = await processId(process.pid);
  if (server === undefined || daemon === undefined) return;
  await replaceFile(recordFile, JSON.stringify({ server, daemon }));
}

/**
 * Kills a server that a daemon before this one left behind: the process that the record names, with the recorded
 * start time, and with our configuration file in its command line. Any other process is left alone. Throws `ServerError`
 * `in-use` when the daemon that started it is alive and not this one.
 */
export async function clearStale(recordFile: string, configFile: string): Promise<void> {
  const record = await readRecord(recordFile);
  if (record === undefined || !(await isOurs(record.server, configFile))) return;
  if (record.daemon.pid !== process.pid && (await isAlive(record.daemon)))
    throw new ServerError(
      'in-use',
      `another natswarm daemon (process ${record.daemon.pid}) runs with the same run directory`,
    );
  kill(record.server.pid);
  for (const deadline = Date.now() + 5_000; await isOurs(record.server, configFile); ) {
    if (Date.now() > deadline)
      throw new ServerError(
        'in-use',
        `nats-server ${record.server.pid} of an earlier run does not end`,
      );
    await sleep(10);
  }
}

async function readRecord(recordFile: string): Promise<ServerRecord | undefined> {
  try {
    const { server, daemon } = JSON.parse(await readFile(recordFile, 'utf8')) as ServerRecord;
    return [server.pid, daemon.pid].every(Number.isSafeInteger) ? { server, daemon } : undefined;
  } catch {
    // None, or cut off by a crash: then nothing can be said to be ours.
    return undefined;
  }
}

async function isOurs(id: ProcessId, configFile: string): Promise<boolean> {
  if (!(await isAlive(id))) return false;
  // it may have ended since: then it is nobody's
  const commandLine = await readFile(`/proc/${id.pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.split('\0').includes(configFile);
}

async function isAlive(id: ProcessId): Promise<boolean> {
  return (await processId(id.pid))?.start === id.start;
}

/** Undefined when there is no such process, or only its unread exit code. */
async function processId(pid: number): Promise<ProcessId | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The program's name may hold blanks and brackets; state and start time are the 1st and 20th field behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const start = fields[19];
  return start === undefined || fields[0] === 'Z' ? undefined : { pid, start };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
