import { statfs } from 'node:fs/promises';
import { type DiskSpace, type Room, roomOf } from '../domain/disk-room.ts';
import { pause, systemClock } from '../supervisors/clock.ts';
import type { LogEvent } from './log.ts';

/** How often the free space is looked at, ms. */
const lookEveryMs = 1_000;
const todo: Readonly<Record<Room, string>> = {
  enough: 'nothing',
  low: 'free some space on this disk: reports of nodes wait where that holds for most managers',
  none: 'free some space on this disk: commands that add to the state are refused where that holds for most managers',
};

/**
 * Answers what there is room for on the disk of this manager's state, and says when that changes. Looks until the scope
 * ends; what cannot be looked at stays as it was.
 */
export function watchDisk(dir: string, report: LogEvent, scope: AbortSignal): () => Room {
  let room: Room = 'enough';
  const take = (disk: DiskSpace): void => {
    const now = roomOf(disk, room);
    if (now === room) return;
    room = now;
    const { free, size } = disk;
    const fields = { dir, room, freeBytes: free, sizeBytes: size, todo: todo[room] };
    report('disk_room', fields, room === 'enough' ? 'info' : 'warn');
  };
  const look = async (): Promise<void> => {
    while (!scope.aborted) {
      const disk = await spaceOf(dir).catch(() => undefined);
      if (disk !== undefined && !scope.aborted) take(disk);
      await pause(systemClock, lookEveryMs, scope);
    }
  };
  void look();
  return () => room;
}

async function spaceOf(dir: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(dir);
  return { free: bavail * bsize, size: blocks * bsize };
}
