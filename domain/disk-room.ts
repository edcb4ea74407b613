import { Fault } from './errors.ts';
import { limits } from './limits.ts';
import { majorityOf } from './members/form.ts';

/** What there is room for on a manager's disk: everything; commands, but no reports of nodes; nothing but what makes room. */
export const rooms = ['none', 'low', 'enough'] as const;
export type Room = (typeof rooms)[number];

/** Of the file system with a manager's state, bytes. */
export interface DiskSpace {
  readonly free: number;
  readonly size: number;
}

/** More than a floor has to be free before what was refused below it is taken again, or each record would change the answer. */
const hysteresis = 1.25;
/** On a small disk the floors are parts of it. */
const floorOf = (bytes: number, part: number, { size }: DiskSpace): number =>
  Math.min(bytes, size * part);

/** The lower of the two floors is the commands': what nodes say can wait, and must not fill the disk that commands need. */
export function roomOf(disk: DiskSpace, before: Room): Room {
  const isBelow = (floor: number, wasBelow: boolean): boolean =>
    disk.free < floor * (wasBelow ? hysteresis : 1);
  const commands = floorOf(limits.diskFreeForCommandsBytes, 0.05, disk);
  if (isBelow(commands, before === 'none')) return 'none';
  const reports = floorOf(limits.diskFreeForReportsBytes, 0.1, disk);
  return isBelow(reports, before !== 'enough') ? 'low' : 'enough';
}

/** The log goes on with a majority of the managers' disks: what it has room for is what each of some majority has. */
export function roomOfMajority(all: readonly Room[]): Room {
  const best = all.toSorted((a, b) => rooms.indexOf(b) - rooms.indexOf(a));
  return best[majorityOf(all.length) - 1] ?? 'enough';
}

/** Commands that add to the state, or may. The others remove something, or are needed for managers to come and go. */
const growing: ReadonlySet<string> = new Set([
  'service.create',
  'service.update',
  'node.join',
  'cluster.update',
]);

const fullText =
  'the disks with the state of most managers are almost full, so nothing is added to it: free some space there ' +
  '(the daemons log how much as disk_room), or remove services and nodes that are not needed';

/** Why a command is not carried out now; undefined where it is. */
export const refusedFor = (command: string, room: Room): Fault | undefined =>
  room === 'none' && growing.has(command) ? new Fault('ResourceExhausted', fullText) : undefined;

/** Why what a node says is not written now. */
export const reportsWait = (): Fault =>
  new Fault(
    'ResourceExhausted',
    'the disks with the state of most managers have little free space, so reports of nodes wait until there is more',
  );
