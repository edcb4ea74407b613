import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { checkStore, mistrustStore, rememberStore } from '../../../bus/nats/store-sums.ts';

const dir = mkdtempSync(join(tmpdir(), 'natswarm-sums-'));
const blocks = ['streams/log/msgs/1.blk', 'streams/log/msgs/2.blk', 'group/msgs/1.blk'];
const index = join(dir, 'streams/log/msgs/index.db');

function put(name: string, text: string): void {
  const file = join(dir, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

beforeEach(() => {
  for (const name of blocks) put(name, `what ${name} holds`);
  writeFileSync(index, 'index');
});
afterAll(() => rmSync(dir, { recursive: true }));

test('a whole store is told from one with a bit flipped, one cut short and one with a block gone', async () => {
  const damages: readonly ((file: string) => void)[] = [
    (file) => writeFileSync(file, readFileSync(file, 'utf8').replace('w', 'v')),
    (file) => writeFileSync(file, readFileSync(file).subarray(1)),
    (file) => rmSync(file),
  ];
  await rememberStore(dir);
  expect(await checkStore(dir)).toEqual([]);
  for (const damage of damages)
    for (const name of blocks) {
      put(name, `what ${name} holds`);
      await rememberStore(dir);
      damage(join(dir, name));
      expect(await checkStore(dir)).toEqual([name]);
    }
});

test('what the server wrote after the check is not damage', async () => {
  await rememberStore(dir);
  await checkStore(dir);
  put(blocks[0] ?? '', 'more');
  expect(await checkStore(dir)).toEqual([]);
});

test('a store that has not begun, and sums nobody can read: no block is said to be damaged', async () => {
  expect(await checkStore(join(dir, 'none'))).toEqual([]);
  writeFileSync(join(dir, 'blocks.sha256'), '\u0000\nnonsense\n');
  for (const name of await checkStore(dir)) expect(blocks).not.toContain(name);
});

test("a mistrusted store loses the server's note, and no block", async () => {
  await mistrustStore(dir);
  expect(existsSync(index)).toBe(false);
  for (const name of blocks) expect(existsSync(join(dir, name))).toBe(true);
  await mistrustStore(join(dir, 'none'));
});
