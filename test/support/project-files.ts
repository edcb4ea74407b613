// The project's own files, for tests that read its text. Everything but what .gitignore names.

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const projectRoot = resolve(import.meta.dirname, '../..');

/** Names and `*.suffix` patterns; the project's .gitignore has no others. */
const ignored = ['.git', ...readProjectFile('.gitignore').split('\n').filter(Boolean)];

/** Paths of all files below the project's folder, relative to it, sorted. */
export const projectFiles: readonly string[] = filesBelow('').toSorted();

function filesBelow(dir: string): string[] {
  return readdirSync(join(projectRoot, dir), { withFileTypes: true }).flatMap((entry) => {
    if (ignored.some((pattern) => matches(entry.name, pattern))) return [];
    const path = join(dir, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function matches(name: string, pattern: string): boolean {
  return pattern.startsWith('*') ? name.endsWith(pattern.slice(1)) : name === pattern;
}

export function readProjectFile(path: string): string {
  return readFileSync(join(projectRoot, path), 'utf8');
}
