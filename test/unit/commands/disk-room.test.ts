import { expect, test } from '@jest/globals';
import { commands } from '../../../domain/commands/mod.ts';
import { refusedFor, type Room, roomOf, roomOfMajority } from '../../../domain/disk-room.ts';
import { limits } from '../../../domain/limits.ts';

const MiB = 1024 * 1024;
const large = 100_000 * MiB;
const forReports = limits.diskFreeForReportsBytes;
const forCommands = limits.diskFreeForCommandsBytes;

test.each([
  [forReports, large, 'enough', 'enough'],
  [forReports - 1, large, 'enough', 'low'],
  [forCommands, large, 'enough', 'low'],
  [forCommands - 1, large, 'enough', 'none'],
  // what is refused is taken again only well above the floor
  [forCommands * 1.2, large, 'none', 'none'],
  [forCommands * 1.3, large, 'none', 'low'],
  [forReports * 1.2, large, 'low', 'low'],
  [forReports * 1.3, large, 'low', 'enough'],
  [forReports * 1.3, large, 'none', 'enough'],
  // of a small disk the floors are parts
  [11 * MiB, 100 * MiB, 'enough', 'enough'],
  [9 * MiB, 100 * MiB, 'enough', 'low'],
  [4 * MiB, 100 * MiB, 'enough', 'none'],
] as const)('with %d bytes free of %d, after %s: %s', (free, size, before, room) => {
  expect(roomOf({ free, size }, before)).toBe(room);
});

test.each<[readonly Room[], Room]>([
  [['none'], 'none'],
  [['none', 'enough', 'enough'], 'enough'],
  [['none', 'none', 'enough'], 'none'],
  [['none', 'low', 'enough'], 'low'],
  [['enough', 'none'], 'none'],
  [['enough', 'enough', 'low', 'none'], 'low'],
  [['enough', 'none', 'none', 'low', 'enough'], 'low'],
])('disks with %j are room for: %s', (all, room) => {
  expect(roomOfMajority(all)).toBe(room);
});

test('without room only what adds to the state is refused, and says what to do', () => {
  const refused = Object.keys(commands).filter((name) => refusedFor(name, 'none') !== undefined);
  expect(refused.sort()).toEqual([
    'cluster.update',
    'node.join',
    'service.create',
    'service.update',
  ]);
  for (const name of Object.keys(commands)) {
    expect(refusedFor(name, 'low')).toBeUndefined();
    expect(refusedFor(name, 'enough')).toBeUndefined();
  }
  expect(refusedFor('service.create', 'none')?.message).toMatch(/almost full.*: free some space/);
});
