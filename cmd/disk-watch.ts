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

/** Knows what there is room for on the disk of this manager's state, and says when that changes. */
export class DiskWatch {
  readonly #dir: string;
  readonly #report: LogEvent;
  #room: Room = 'enough';

  constructor(dir: string, report: LogEvent) {
    this.#dir = dir;
    this.#report = report;
  }

  get room(): Room {
    return this.#room;
  }

  /** Looks until the scope ends. Never rejects: what cannot be looked at stays as it was. */
  async run(scope: AbortSignal): Promise<void> {
    while (!scope.aborted) {
      const disk = await spaceOf(this.#dir).catch(() => undefined);
      if (disk !== undefined && !scope.aborted) this.#take(disk);
      await pause(systemClock, lookEveryMs, scope);
    }
  }

  #take({ free, size }: DiskSpace): void {
    const room = roomOf({ free, size }, this.#room);
    if (room === this.#room) return;
    this.#room = room;
    const fields = { dir: this.#dir, room, freeBytes: free, sizeBytes: size, todo: todo[room] };
    this.#report('disk_room', fields);
  }
}

async function spaceOf(dir: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(dir);
  return { free: bavail * bsize, size: blocks * bsize };
}
