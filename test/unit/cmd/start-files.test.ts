import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { putAside, setStateAside, statesAside } from '../../../cmd/generation.ts';
import { NodeFiles } from '../../../cmd/node-files.ts';
import { SeenDisks, StartFiles } from '../../../cmd/start-files.ts';
import { limits } from '../../../domain/limits.ts';
import { startsKept } from '../../../domain/members/starts.ts';

let dir = '';
let files: NodeFiles;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'natswarm-starts-'));
  files = new NodeFiles(dir);
});
afterEach(() => rmSync(dir, { recursive: true }));

const generation = 2;
const store = (): string => join(dir, 'store', String(generation));
/** As the server does at its first start. */
const serve = (): void => writeFileSync(join(store(), 'incarnation'), 'x');

/** A start of the daemon: nothing is remembered but what is on the disk. */
async function begin(): Promise<string | undefined> {
  const begun = await new StartFiles(files).begin(generation);
  if ('older' in begun) return begun.older;
  serve();
  return undefined;
}
const copy = (): void => cpSync(store(), join(dir, 'copy'), { recursive: true });
function restore(): void {
  rmSync(store(), { recursive: true });
  cpSync(join(dir, 'copy'), store(), { recursive: true });
}

test('starts are counted, each with an ID of its own, and so many are remembered', async () => {
  for (let n = 0; n < startsKept + 5; n++) expect(await begin()).toBeUndefined();
  const { starts } = new StartFiles(files);
  expect(starts).toHaveLength(startsKept);
  expect(starts.at(-1)?.number).toBe(startsKept + 5);
  expect(new Set(starts.map(({ id }) => id)).size).toBe(startsKept);
});

test('a store of before a start, and one of before a step, is older than the rest', async () => {
  await begin();
  copy();
  await begin();
  restore();
  expect(await begin()).toContain('older');
  expect(new StartFiles(files).starts).toHaveLength(2);

  rmSync(store(), { recursive: true });
  expect(await begin()).toBeUndefined();
  rmSync(join(dir, 'copy'), { recursive: true });
  copy();
  await new StartFiles(files).step(generation);
  restore();
  expect(await begin()).toContain('older');
});

test('a store that is put back as it was is none, and one that is gone is no older one', async () => {
  await begin();
  await new StartFiles(files).step(generation);
  copy();
  restore();
  expect(await begin()).toBeUndefined();
  rmSync(store(), { recursive: true });
  expect(await begin()).toBeUndefined();
});

test('a crash between the two writes of a start, or of a step, is no roll-back', async () => {
  await begin();
  const beside = join(dir, 'starts.json');
  for (const change of [begin, () => new StartFiles(files).step(generation)]) {
    cpSync(beside, join(dir, 'before'));
    await change();
    cpSync(join(dir, 'before'), beside);
    expect(await begin()).toBeUndefined();
  }
});

test('a disk of a version that did not count begins to', async () => {
  mkdirSync(store(), { recursive: true });
  serve();
  expect(await begin()).toBeUndefined();
  expect(new StartFiles(files).starts).toHaveLength(1);
});

test('what was set aside is asked for no more; the count goes on', async () => {
  await begin();
  await begin();
  const starts = new StartFiles(files);
  await starts.setHold({ kind: 'older', why: 'why' });
  await starts.setAside({ why: 'why', dir: putAside(files, generation, 0) });
  expect([starts.starts, starts.hold]).toEqual([[], undefined]);
  expect(await starts.begin(generation)).toEqual({ fresh: true });
  expect(new StartFiles(files).starts.map(({ number }) => number)).toEqual([3]);
  expect(new StartFiles(files).aside?.why).toBe('why');
});

test('states are set aside while there are not too many, and none is removed for another', () => {
  for (let n = 0; n < limits.statesAsideMax; n++) {
    mkdirSync(store(), { recursive: true });
    setStateAside(files, generation, n * 1_000, ['store']);
  }
  mkdirSync(store(), { recursive: true });
  expect(() => setStateAside(files, generation, 1e6, ['store'])).toThrow('remove those');
  expect(statesAside(files)).toHaveLength(limits.statesAsideMax);
});

test('what was seen of other disks is there after a restart, and forgotten with their managers', async () => {
  const seen = new SeenDisks(files);
  seen.note('a', { number: 1, id: 'aa', kept: 3 });
  seen.note('b', { number: 4, id: 'bb', kept: 3 });
  seen.noteKept('a', 2, 9);
  seen.noteKept('stranger', 2, 9);
  await seen.flush();
  expect(new SeenDisks(files).of('a')).toEqual({ number: 1, id: 'aa', kept: 9, generation: 2 });
  expect(new SeenDisks(files).of('stranger')).toBeUndefined();
  seen.keepOnly(new Set(['b']));
  await seen.flush();
  expect([new SeenDisks(files).of('a'), new SeenDisks(files).of('b')?.number]).toEqual([
    undefined,
    4,
  ]);
});
