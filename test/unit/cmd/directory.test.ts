import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimDirectory } from '../../../cmd/directory.ts';

let base = '';
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'natswarm-directory-'));
});
afterEach(() => rmSync(base, { recursive: true }));

test('a directory is made for its owner alone', () => {
  const dir = join(base, 'a', 'b');
  claimDirectory('state-dir', dir)();
  expect(statSync(dir).mode & 0o777).toBe(0o700);
});

test('one daemon has it at a time', () => {
  const release = claimDirectory('state-dir', base);
  expect(() => claimDirectory('state-dir', base)).toThrow(
    `--state-dir ${base} is in use by another natswarm daemon`,
  );
  release();
  claimDirectory('state-dir', base)();
});

test('what cannot be used is told with its setting', () => {
  const file = join(base, 'file');
  writeFileSync(file, '');
  expect(() => claimDirectory('run-dir', file)).toThrow(
    new RegExp(`^cannot use --run-dir ${file}: EEXIST`),
  );
});

test.each([
  ['/proc/natswarm', 'ENOENT'],
  ['/proc/natswarm/below', 'ENOENT'],
  ['/proc', 'ENOENT'],
  ['/sys/natswarm', 'EPERM'],
])('%s cannot hold anything, and that is said at once', (dir, code) => {
  expect(() => claimDirectory('state-dir', dir)).toThrow(
    new RegExp(`^cannot use --state-dir ${dir}: (${code}|EACCES|EROFS)`),
  );
});

test('nothing is left of the look at a directory', () => {
  claimDirectory('state-dir', base)();
  expect(readdirSync(base)).toEqual([]);
});
